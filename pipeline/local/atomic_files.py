"""Write files atomically and durably, readable by this user only."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["sync_folder", "write_atomically"]


def write_atomically(path: Path, content: bytes, *, unfinished: Path | None = None) -> None:
    """Write a file, or replace it, and wait until it is on the disk; a reader never sees a partial file.

    Args:
        path: File to write.
        content: Content of the file.
        unfinished: File in the same folder that is written first and then renamed. By default it is named like the file
            with the suffix ``.new``, for files that have one writer at a time.

    Raises:
        OSError: The file could not be written; an existing file stays.
    """
    unfinished = unfinished or path.with_suffix(".new")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on the disk: ``fsync`` of a file does not write its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
