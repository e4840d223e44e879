#!/usr/bin/env bash
# Builds the functions and their layers with SAM, with a real Python 3.12 first on the PATH. Layers are always made of
# Linux wheels for x86_64 and stripped with GNU strip; macOS and arm64 need a GNU strip for that format. Set STRIP if
# the script does not find one.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(tools/python312.sh)
if [ -z "${STRIP:-}" ]; then
    if [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ]; then
        STRIP=strip
    else
        for candidate in x86_64-linux-gnu-strip x86_64-elf-strip /opt/homebrew/opt/binutils/bin/strip \
            /usr/local/opt/binutils/bin/strip; do
            if command -v "$candidate" >/dev/null; then
                STRIP=$candidate
                break
            fi
        done
    fi
fi
if [ -z "${STRIP:-}" ] || ! command -v "$STRIP" >/dev/null; then
    echo "sam build needs GNU strip for x86_64 Linux, and there is none: 'brew install binutils' or 'apt install binutils-x86-64-linux-gnu', or name it in STRIP" >&2
    exit 1
fi
export STRIP
PATH="$(dirname "$python"):$PATH" SAM_CLI_TELEMETRY=0 exec sam build "$@"
