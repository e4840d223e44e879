# What every layer's Makefile shares. `sam build` calls `make build-<LayerLogicalId>` with ARTIFACTS_DIR set.
# Wheels are taken for Lambda (Amazon Linux 2023: glibc 2.34), whatever machine this is.
HERE := $(dir $(abspath $(firstword $(MAKEFILE_LIST))))
PYTHON ?= python3.12
SITE = $(ARTIFACTS_DIR)/python

define install-requirements
	$(PYTHON) -m pip install --quiet --no-compile --disable-pip-version-check --target "$(SITE)" -r "$(HERE)requirements.txt" \
	  --only-binary=:all: --implementation cp --python-version 3.12 --no-deps \
	  --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64
	rm -rf "$(SITE)/bin"
endef

# Without .pyc an import takes three times as long, and a layer cannot be written to. Unpacking a zip changes the files'
# times, so the .pyc must not depend on them.
define compile-all
	find "$(SITE)" -name __pycache__ -type d -prune -exec rm -rf {} +
	$(PYTHON) -m compileall -q --invalidation-mode unchecked-hash "$(SITE)"
endef

# The same without the sources, for large libraries: Python imports a .pyc that lies where its .py was.
define compile-without-sources
	find "$(SITE)" -name __pycache__ -type d -prune -exec rm -rf {} +
	$(PYTHON) -m compileall -q -b --invalidation-mode unchecked-hash "$(SITE)"
	find "$(SITE)" -type f -name '*.py' -delete
endef
