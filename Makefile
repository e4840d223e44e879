# Commands of modeldrop. `make demo` and `make test` install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# An extra wheel index for torch: on Linux, wheels of the default index bring CUDA (gigabytes). For a CPU build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
TORCH := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),)

# One process runs all tests of a file; tests/conftest.py puts the files that take longest first.
LONG_FILES_FIRST := -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test check check-types check-rules test-sam bench image clean help

help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed ## Install, start the embedded cloud, drop a real data set, watch it become a served model, call it
	$(BIN)/modeldrop demo

test: $(VENV)/.installed-dev ## Install what the tests need, and run all of them
	$(BIN)/python -m pytest $(LONG_FILES_FIRST) --maxprocesses 4 tests/architecture tests/files tests/unit tests/integration
	$(BIN)/python -m pytest $(LONG_FILES_FIRST) --maxprocesses 2 tests/local tests/cloud tests/distributed tests/sam  # each process starts a cloud

check: check-types check-rules ## Lint, types, import contracts, template, sizes of the layers, import times, ratchets of style

check-types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases functions  # names each app.py after its folder

check-rules: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml
	$(BIN)/python -m tools.layer_sizes
	$(BIN)/python -m tools.import_times
	$(BIN)/python -m tools.ratchets  # names, docstrings, spelling and sizes may not get worse

test-sam: $(VENV)/.installed-dev ## The functions in real Lambda containers (needs Docker, SAM, Python 3.12)
	tools/test_sam.sh

bench: $(VENV)/.installed-dev ## Run all benchmarks; the last line of each is JSON
	for script in serving serving_shapes cold_start server soak pipeline parallel training compression choice selection history scale quality registry trees; do $(BIN)/python benchmarks/$$script.py || exit 1; done

image: ## Build the jobs' container images, cpu and gpu
	tools/make_image.sh

clean: ## Remove the environments and builds
	rm -rf $(VENV) .venv-sam .aws-sam

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit("modeldrop needs Python 3.11 or later, and this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing into $(VENV), which takes some minutes and 2 GB of disk or more"
	$(BIN)/python -m pip install --quiet torch==2.13.0 -c constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,local,serve]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
