"""Where an exception came from, for logs, which never bear what it says."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["places"]


def places(error: BaseException) -> list[str]:
    """Return file, line and function of each frame, the innermost last; not the message, which may quote a user."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
