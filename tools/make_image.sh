#!/usr/bin/env bash
# Builds the jobs' container images: tools/make_image.sh [cpu] [gpu]; without arguments both (make image).
# The job definitions use these tags: modeldrop-jobs:latest for the CPU queues, modeldrop-jobs:gpu for the GPU queues.
# tools/slim_image.py prints the installed sizes, and fails if they exceed a limit. Variables:
#   CPU_BASE, CPU_TORCH_INDEX  the base image (python:3.12-slim) and the wheel index for torch of the CPU image
#   GPU_BASE, GPU_TORCH_INDEX  the same for the GPU image: a base with CUDA's libraries, and the index for its version
#   DOCKER_BUILD_OPTIONS       more options of `docker build`
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- cpu gpu
for kind; do
    if [ "$kind" != cpu ] && [ "$kind" != gpu ]; then
        echo "tools/make_image.sh: '$kind' is not a kind of image: cpu or gpu is expected" >&2
        exit 2
    fi
done

if ! command -v docker >/dev/null; then
    echo "make image needs Docker, and there is no 'docker' command here: install Docker Engine or Docker Desktop" >&2
    exit 1
fi
if ! docker info >/dev/null 2>&1; then
    echo "make image needs a Docker engine, and none answers: start it (and check DOCKER_HOST)" >&2
    exit 1
fi

export BUILDKIT_PROGRESS=plain  # without it the output of slim_image.py is hidden
for kind; do
    if [ "$kind" = cpu ]; then
        image=modeldrop-jobs:latest
        base=${CPU_BASE:-python:3.12-slim}
        index=${CPU_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
    else
        image=modeldrop-jobs:gpu
        base=${GPU_BASE:-nvidia/cuda:12.8.1-base-ubuntu24.04}
        index=${GPU_TORCH_INDEX:-https://download.pytorch.org/whl/cu128}
    fi
    # shellcheck disable=SC2086 - several options
    docker build --platform linux/amd64 -t "$image" --build-arg "BASE=$base" --build-arg "KIND=$kind" \
        --build-arg "TORCH_INDEX=$index" ${DOCKER_BUILD_OPTIONS:-} .
    echo "built $image: $(docker image inspect --format '{{.Size}}' "$image" | awk '{printf "%.0f MB", $1 / 1e6}')"
done

cat <<'SAID'

'modeldrop deploy' pushes them. To push one by hand:
  repository=$(aws cloudformation describe-stacks --stack-name modeldrop --output text \
    --query "Stacks[0].Outputs[?OutputKey=='ImageRepository'].OutputValue")
  aws ecr get-login-password | docker login --username AWS --password-stdin "${repository%%/*}"
  docker tag modeldrop-jobs:latest "$repository:latest" && docker push "$repository:latest"
SAID
