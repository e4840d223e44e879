"""Contents of objects, one file each."""

from __future__ import annotations

import uuid
from collections.abc import Container
from pathlib import Path

from pipeline.local.atomic_files import sync_folder, write_atomically
from pipeline.local.store.database import StorageError

__all__ = ["Bodies"]

_UNFINISHED = ".unfinished"


class Bodies:
    """Files named by the caller, in folders named by the first two letters. A file is complete or absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, content: bytes) -> None:
        """Write a file, or replace it.

        Raises:
            StorageError: The file could not be written.
        """
        path = self._path(name)
        unfinished = path.with_name(f"{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                sync_folder(self._folder)
            write_atomically(path, content, unfinished=unfinished)
        except OSError as error:
            raise StorageError(f"{self._folder} cannot be written: {error.strerror}") from error

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: The file does not exist.
        """
        return self._path(name).read_bytes()

    def delete(self, name: str) -> None:
        """Delete a file if it exists."""
        self._path(name).unlink(missing_ok=True)

    def sweep(self, used: Container[str], before: float) -> None:
        """Delete files that are unused and older than ``before``, in seconds since the epoch."""
        for file in self._folder.glob("??/*"):
            if file.name not in used and file.stat().st_mtime < before:
                file.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name
