"""Store the ids of unfinished uploads in a file, so that a later process can resume them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

__all__ = ["UnfinishedUploads"]

_MAX_KEPT = 100


class UnfinishedUploads(MutableMapping[str, str]):
    """A mapping in a JSON file. If the file is missing or damaged, uploads start from the beginning.

    Args:
        path: The file; by default ``unfinished_uploads.json`` in ``MODELDROP_HOME`` or ``~/.modeldrop``.
    """

    def __init__(self, path: Path | None = None) -> None:
        home = Path(os.environ.get("MODELDROP_HOME") or Path.home() / ".modeldrop")
        self._path = path or home / "unfinished_uploads.json"

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __setitem__(self, name: str, upload_id: str) -> None:
        if self._read().get(name) != upload_id:
            self._write({**self._read(), name: upload_id})

    def __delitem__(self, name: str) -> None:
        ids = self._read()
        del ids[name]
        self._write(ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, str]:
        try:
            document = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return {str(name): str(value) for name, value in document.items()} if isinstance(document, dict) else {}

    def _write(self, ids: dict[str, str]) -> None:
        newest = dict(list(ids.items())[-_MAX_KEPT:])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(newest, indent=1))
