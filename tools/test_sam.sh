#!/usr/bin/env bash
# Builds the functions and their layers with SAM and runs tests/sam: the real functions in Lambda containers (make test-sam).
# Without a Docker engine, WITH_DOCKER can name a program that runs a command with one: `WITH_DOCKER PYTHON COMMAND...`.
set -euo pipefail
cd "$(dirname "$0")/.."
sam_version=1.170.0  # pinned: SAM builds layers with make by metadata that it hardly documents
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-us-east-1}

if [ -z "${WITH_DOCKER:-}" ] && ! docker info >/dev/null 2>&1; then
    echo "make test-sam needs a Docker engine, and none answers: start it (and check DOCKER_HOST)" >&2
    exit 1
fi
python=$(tools/python312.sh)

# A separate environment: the embedded cloud and SAM pin different versions of botocore.
if [ "$(.venv-sam/bin/sam --version 2>/dev/null)" != "SAM CLI, version $sam_version" ]; then
    "$python" -m venv --clear .venv-sam
    .venv-sam/bin/python -m pip install --quiet "aws-sam-cli==$sam_version"
fi
export PATH="$PWD/.venv-sam/bin:$(dirname "$python"):$PATH"

sam validate --lint
tools/sam_build.sh
# Lambda's Python includes boto3; the plain Python that replaces it does not.
"$python" -m pip install --quiet --upgrade --target .aws-sam/runtime boto3 -c constraints.txt

tests=(.venv/bin/python -m pytest tests/sam "$@")
if [ -n "${WITH_DOCKER:-}" ]; then
    MODELDROP_SAM=1 "$WITH_DOCKER" "$python" "${tests[@]}"
else
    MODELDROP_SAM=1 "${tests[@]}"
fi
