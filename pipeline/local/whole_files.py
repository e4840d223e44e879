"""Files that are whole or absent, on the disk when they are written, and readable by this user alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["sync_folder", "write_whole"]


def write_whole(path: Path, content: bytes, *, unfinished: Path | None = None) -> None:
    """Write a file, or replace it, and wait until it is on the disk; nobody reads a half of it.

    Args:
        path: The file.
        content: All of it.
        unfinished: Where it is written before it is renamed, in the same folder; by default the file's name with
            the suffix ``.new``, for files that one writer at a time writes.

    Raises:
        OSError: It could not be written; what was there stays.
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
    """Wait until the names in ``folder`` are on the disk: they are written apart from the files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
