"""Records of an embedded cloud in one SQLite database."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.contracts.errors import ConfigurationError

__all__ = ["Change", "Database", "StorageError"]

Change = tuple[str, bytes, bytes | None]  # store, key, value; None deletes

_VERSION = 1  # version of the schema, stored in user_version
_BUSY_SECONDS = 10.0
_UNSYNCED = "log-streams/"  # one line per prediction: a sync (4 ms) would take half of a prediction's time
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY, store TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, UNIQUE (store, key)
)
"""
_PUT = """
INSERT INTO records (store, key, value) VALUES (?, ?, ?) ON CONFLICT (store, key) DO UPDATE SET value = excluded.value
"""


class StorageError(Exception):
    """Writing failed: the disk is full, or the folder is read-only."""


class Database:
    """Records by store and key, in the order of their first write.

    ``write`` returns when the changes are on the disk, not only with the operating system. Log lines reach the disk
    with the next change or within a minute.

    Raises:
        ConfigurationError: The file is damaged, of a newer version, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._synchronize(full=True)
            version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
            self._connection.execute(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {max(version, _VERSION)}")
        except sqlite3.Error as error:
            raise _damaged_error(path, error) from error
        if version > _VERSION:
            raise ConfigurationError(f"{path} was written by a newer version of modeldrop: install that version")

    def keys(self, store: str) -> list[bytes]:
        """Return all keys of a store, oldest first."""
        return [row[0] for row in self._rows("SELECT key FROM records WHERE store = ? ORDER BY id", store)]

    def get(self, store: str, key: bytes) -> bytes | None:
        """Return one value; None if there is none."""
        rows = self._rows("SELECT value FROM records WHERE store = ? AND key = ?", store, key)
        return rows[0][0] if rows else None

    def items(self, store: str) -> list[tuple[bytes, bytes]]:
        """Return all keys and values of a store, oldest first."""
        return self._rows("SELECT key, value FROM records WHERE store = ? ORDER BY id", store)

    def stores(self, prefix: str) -> list[str]:
        """Return the names of all stores that begin with ``prefix``."""
        rows = self._rows("SELECT DISTINCT store FROM records")
        return [row[0] for row in rows if row[0].startswith(prefix)]

    def write(self, changes: Iterable[Change]) -> None:
        """Apply all changes in one transaction.

        Raises:
            StorageError: The changes could not be written; none is applied.
        """
        changes = tuple(changes)
        with self._lock:
            try:
                self._synchronize(full=any(not store.startswith(_UNSYNCED) for store, _, _ in changes))
                self._connection.execute("BEGIN IMMEDIATE")
                for store, key, value in changes:
                    if value is None:
                        self._connection.execute("DELETE FROM records WHERE store = ? AND key = ?", (store, key))
                    else:
                        self._connection.execute(_PUT, (store, key, value))
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise StorageError(f"{self._path} cannot be written: {error}") from error

    def close(self) -> None:
        """Close the database; what was written stays."""
        with self._lock:
            self._connection.close()

    def _synchronize(self, *, full: bool) -> None:
        """Let a commit wait for the disk, or leave the sync to the operating system."""
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")

    def _rows(self, query: str, *values: str | bytes) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _damaged_error(self._path, error) from error


def _damaged_error(path: Path, error: sqlite3.Error) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be read as the records of an embedded cloud ({error}): restore it from a backup, or start"
        " over with 'modeldrop down --wipe'"
    )
