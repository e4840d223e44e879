"""All records that changed since the last commit, written together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from pipeline.local.store.database import Change, Database, StorageError

__all__ = ["Journal", "JournaledCollection"]


class JournaledCollection(Protocol):
    """A collection of records that is kept in the database."""

    def changes(self) -> Iterable[Change]:
        """Return what differs from the database."""

    def saved(self) -> None:
        """Take note that the changes returned last are in the database."""


class Journal:
    """Commits the changes of all its parts in one transaction. ``lock`` is held by whoever changes a part."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lock = threading.RLock()
        self._collections: list[JournaledCollection] = []
        self._afterwards: list[Callable[[], None]] = []
        self._failure: StorageError | None = None

    def add(self, collection: JournaledCollection) -> None:
        """Commit ``collection`` from now on."""
        with self.lock:
            self._collections.append(collection)

    def fail(self, error: StorageError) -> None:
        """Let the next commit raise ``error``: what it would confirm is not on disk."""
        self._failure = error

    def afterwards(self, action: Callable[[], None]) -> None:
        """Call ``action`` after the next commit: what is deleted from disk must no longer be referred to."""
        with self.lock:
            self._afterwards.append(action)

    def commit(self) -> None:
        """Write all changes.

        Raises:
            StorageError: They could not be written; the next commit tries them again.
        """
        with self.lock:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            changes = [change for collection in self._collections for change in collection.changes()]
            if changes:
                self.database.write(changes)
            for collection in self._collections:
                collection.saved()
            actions, self._afterwards = self._afterwards, []
        for action in actions:
            action()
