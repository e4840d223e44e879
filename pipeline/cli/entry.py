"""What the command ``modeldrop`` calls: imports are inside, so that Ctrl-C during them ends in one line, too."""

from __future__ import annotations

import sys

__all__ = ["main"]

_INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


def main() -> int:
    """Run the command and return its exit code, where it did not exit itself."""
    try:
        from pipeline.cli.main import app

        app()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    return 0
