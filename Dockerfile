# The Batch jobs' image: training and compression. On GPUs, give a base that has CUDA's libraries, and torch's index for it:
#   BASE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 TORCH_INDEX=https://download.pytorch.org/whl/cu128 IMAGE=modeldrop-jobs:gpu make image
ARG BASE=python:3.12-slim
FROM ${BASE}
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# libgomp1: the threads of LightGBM and scikit-learn. Images of Python have Python; those of CUDA have not.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && { python3 -c 'import ensurepip, venv' 2>/dev/null || apt-get install -y --no-install-recommends python3-venv; } \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/modeldrop \
 && useradd --create-home job
ENV PATH=/opt/modeldrop/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# What changes seldom comes first: torch, the other libraries, our code.
WORKDIR /src
COPY constraints.txt ./
RUN python -m pip install -c constraints.txt torch==2.13.0 --extra-index-url "${TORCH_INDEX}"
COPY pyproject.toml README.md LICENSE ./
RUN mkdir pipeline && touch pipeline/__init__.py && python -m pip install -c constraints.txt '.[train]'
COPY pipeline ./pipeline
RUN python -m pip install --no-deps --force-reinstall .

USER job
WORKDIR /home/job
# A container is started with its whole command (template.yaml, Command): there is no entry point.
# cuBLAS gives the same sums again only with a workspace of its own.
ENV PYTHONUNBUFFERED=1 CUBLAS_WORKSPACE_CONFIG=:4096:8 NVIDIA_DRIVER_CAPABILITIES=compute,utility
CMD ["python", "-m", "pipeline.jobs.train", "--help"]
