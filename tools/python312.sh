#!/usr/bin/env bash
# Prints the path of a real Python 3.12 with pip, which `sam build` expects first on the PATH. For a shim (pyenv, asdf)
# or a virtual environment, this is its base interpreter. Set PYTHON312 if the script does not find one.
set -euo pipefail
said=""
for candidate in "${PYTHON312:-}" python3.12 "$HOME"/.pyenv/versions/3.12*/bin/python3.12 \
    /opt/homebrew/bin/python3.12 /usr/local/bin/python3.12 /usr/bin/python3.12; do
    [ -n "$candidate" ] || continue
    home=$("$candidate" -c 'import sys; assert sys.version_info[:2] == (3, 12); print(sys.base_prefix)' 2>/dev/null) || continue
    real=$home/bin/python3.12
    if "$real" -m pip --version >/dev/null 2>&1; then
        echo "$real"
        exit 0
    fi
    said=" ($real has no pip)"
done
echo "sam build needs Python 3.12 with pip, and there is none on the PATH$said: install it, or name it in PYTHON312" >&2
exit 1
