"""Where an exception came from, for logs, which never bear what it says."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["places"]


def places(error: BaseException) -> list[str]:
    """The traceback without what was said, which may quote a user: file, line and function, the innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
