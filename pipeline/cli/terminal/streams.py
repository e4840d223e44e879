"""Prepare standard streams that are closed, or whose encoding lacks characters."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

__all__ = ["prepare_streams"]


def prepare_streams() -> None:
    """Discard output to closed streams, and escape characters that the encoding lacks."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _occupy_closed_descriptors()
        sys.stdout = sys.stdout or _open_nowhere()
        sys.stderr = sys.stderr or _open_nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _occupy_closed_descriptors() -> None:
    """Open closed descriptors, so that no other file becomes a child's standard stream."""
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)


def _open_nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - stays open as long as the process
