# The images of the Batch jobs: training and compression. `make image` (tools/make_image.sh) builds one for CPU and one
# for GPU.
ARG BASE=python:3.12-slim

FROM ${BASE} AS base
# LightGBM and scikit-learn need libgomp1 for threads. The Python images include Python, the CUDA images do not.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && { python3 -c 'import ensurepip, venv' 2>/dev/null || apt-get install -y --no-install-recommends python3-venv; } \
 && rm -rf /var/lib/apt/lists/*

FROM base AS build
ARG KIND=cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python3 -m venv /opt/modeldrop
ENV PATH=/opt/modeldrop/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# For the build cache, what changes least comes first: torch, the other libraries, modeldrop's code.
WORKDIR /src
COPY constraints.txt ./
RUN python -m pip install -c constraints.txt torch==2.13.0 --extra-index-url "${TORCH_INDEX}"
COPY pyproject.toml tools/job_requirements.py ./
RUN python job_requirements.py pyproject.toml >jobs.txt && python -m pip install -c constraints.txt -r jobs.txt
COPY README.md LICENSE ./
COPY pipeline ./pipeline
COPY tools/slim_image.py ./
RUN python -m pip install --no-deps . && python slim_image.py "${KIND}" && python -m pip uninstall -y pip

FROM base
COPY --from=build /opt/modeldrop /opt/modeldrop
RUN useradd --create-home job \
 && /opt/modeldrop/bin/python -Bc "import pkgutil, pipeline; [__import__(m.name) for m in pkgutil.walk_packages(pipeline.__path__, 'pipeline.')]"
USER job
WORKDIR /home/job
# There is no entry point: template.yaml gives the whole command of a container (Command).
# cuBLAS is deterministic only with a configured workspace.
ENV PATH=/opt/modeldrop/bin:$PATH PYTHONUNBUFFERED=1 CUBLAS_WORKSPACE_CONFIG=:4096:8 NVIDIA_DRIVER_CAPABILITIES=compute,utility
CMD ["python", "-m", "pipeline.jobs.train", "--help"]
