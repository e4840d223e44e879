"""Locations of an exception, for logs, which must not contain its message."""

from __future__ import annotations

from pathlib import Path

__all__ = ["frame_locations"]


def frame_locations(error: BaseException) -> list[str]:
    """Return file, line and function of each frame, the innermost last, without the message, which may quote data."""
    import traceback  # noqa: PLC0415 - only a failure needs it, and predict imports this module on a cold start

    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
