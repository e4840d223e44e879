"""The standard streams as a shell may leave them: closed, or in an encoding that lacks letters."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

__all__ = ["prepare_streams"]


def prepare_streams() -> None:
    """Let output go nowhere where it was closed, and escape letters that its encoding lacks."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _occupy_closed_descriptors()
        sys.stdout = sys.stdout or _open_nowhere()
        sys.stderr = sys.stderr or _open_nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _occupy_closed_descriptors() -> None:
    """Occupy closed descriptors, lest a file that is opened later become a child's standard stream."""
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)


def _open_nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open as long as the process
