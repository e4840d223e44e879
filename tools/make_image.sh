#!/usr/bin/env bash
# Builds the jobs' container image (make image). Variables:
#   IMAGE        its name and tag (modeldrop-jobs:latest)
#   BASE         the base image (python:3.12-slim); for GPUs one with CUDA's libraries, such as nvidia/cuda:12.8.1-runtime-ubuntu24.04
#   TORCH_INDEX  the wheel index for torch (https://download.pytorch.org/whl/cpu); for GPUs that of the CUDA version
set -euo pipefail
cd "$(dirname "$0")/.."
image=${IMAGE:-modeldrop-jobs:latest}

if ! command -v docker >/dev/null; then
    echo "make image needs Docker, and there is no 'docker' command here: install Docker Engine or Docker Desktop" >&2
    exit 1
fi
if ! docker info >/dev/null 2>&1; then
    echo "make image needs a Docker engine, and none answers: start it (and check DOCKER_HOST)" >&2
    exit 1
fi

arguments=()
[ -n "${BASE:-}" ] && arguments+=(--build-arg "BASE=$BASE")
[ -n "${TORCH_INDEX:-}" ] && arguments+=(--build-arg "TORCH_INDEX=$TORCH_INDEX")
docker build --platform linux/amd64 -t "$image" ${arguments[@]+"${arguments[@]}"} .

cat <<SAID

Built $image. To push it to your stack's repository (the tag is "latest" for the CPU queues, "gpu" for the GPU queues):
  repository=\$(aws cloudformation describe-stacks --stack-name modeldrop --output text \\
    --query "Stacks[0].Outputs[?OutputKey=='ImageRepository'].OutputValue")
  aws ecr get-login-password | docker login --username AWS --password-stdin "\${repository%%/*}"
  docker tag $image "\$repository:${image##*:}" && docker push "\$repository:${image##*:}"
SAID
