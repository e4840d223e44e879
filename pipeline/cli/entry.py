"""Entry point of ``modeldrop``. Imports are inside, so that Ctrl-C during them also ends in one line."""

from __future__ import annotations

import sys

__all__ = ["main"]

_INTERRUPTED = 130  # 128 + SIGINT, as in shells


def main() -> int:
    """Run the command and return its exit code, unless it exits by itself."""
    try:
        from pipeline.cli.main import app

        app()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    return 0
