#!/usr/bin/env bash
# Builds the functions and their layers with SAM, with a real Python 3.12 first on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(tools/python312.sh)
PATH="$(dirname "$python"):$PATH" SAM_CLI_TELEMETRY=0 exec sam build "$@"
