"""Write all records that changed since the last commit in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from pipeline.local.store.database import Change, Database, StorageError

__all__ = ["Journal", "JournaledCollection"]


class JournaledCollection(Protocol):
    """Collection of records that the journal keeps in the database."""

    def changes(self) -> Iterable[Change]:
        """Return what differs from the database."""

    def saved(self) -> None:
        """Note that the changes returned last are in the database."""


class Journal:
    """Commits the changes of its collections. Hold ``lock`` while changing a collection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lock = threading.RLock()
        self._collections: list[JournaledCollection] = []
        self._afterwards: list[Callable[[], None]] = []
        self._failure: StorageError | None = None

    def add(self, collection: JournaledCollection) -> None:
        """Include ``collection`` in all further commits."""
        with self.lock:
            self._collections.append(collection)

    def fail(self, error: StorageError) -> None:
        """Make the next commit raise ``error``, because a change that it would confirm is not on disk."""
        self._failure = error

    def afterwards(self, action: Callable[[], None]) -> None:
        """Call ``action`` after the next commit, such as deleting a file that no record refers to from then on."""
        with self.lock:
            self._afterwards.append(action)

    def commit(self) -> None:
        """Write all changes.

        Raises:
            StorageError: The changes could not be written; the next commit tries again.
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
