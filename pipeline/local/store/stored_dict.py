"""Dictionary whose values are on disk."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from typing import Any

import orjson

from pipeline.local.store.database import Change
from pipeline.local.store.journal import Journal

__all__ = ["StoredDict", "decode", "encode"]

_MAX_VALUES_IN_MEMORY, _MAX_BYTES_IN_MEMORY = 64, 500_000  # per dictionary, between two commits
_MIN_RECENT_VALUES = 8  # values that always stay in memory: a thread may be changing one
_BYTES = "__bytes__"


class StoredDict(MutableMapping[Any, Any]):
    """Dictionary with its keys in memory and its values in the journal's database.

    The values used last are in memory, too. A value that was looked up by its key may be changed in place until the
    next commit, which compares it with the database and drops most values from memory. Values from an iteration may be
    changed only if they stay in memory. A copy is empty: MiniStack copies its dictionaries to write them elsewhere, and
    these values are written already.

    Args:
        journal: Commits the changes.
        name: Name of the store in the database.
        is_pinned: Whether a value stays in memory and is compared at each commit; None means no value does.
        wrap: Applied to the key and the value that was read from disk.
        limit: Maximum number of keys; beyond it, the oldest keys are dropped.
    """

    def __init__(
        self,
        journal: Journal,
        name: str,
        *,
        is_pinned: Callable[[Any], bool] | None = None,
        wrap: Callable[[Hashable, Any], Any] = lambda key, value: value,
        limit: int | None = None,
    ) -> None:
        self.name = name
        self._journal = journal
        self._is_pinned = is_pinned
        self._wrap = wrap
        self._limit = limit
        self._keys: dict[Any, None] = {_key(raw): None for raw in journal.database.keys(name)}
        self._live: OrderedDict[Any, Any] = OrderedDict()
        self._on_disk: dict[Any, tuple[int, int]] = {}  # hash and size on disk of the values in memory
        self._touched: set[Any] = set()
        self._deleted: set[Any] = set()
        self._pending_marks: dict[Any, tuple[int, int]] = {}
        journal.add(self)

    def __getitem__(self, key: Any) -> Any:
        with self._journal.lock:
            if key not in self._live:
                if key not in self._keys:
                    raise KeyError(key)
                raw = self._raw(key)
                self._live[key], self._on_disk[key] = self._wrap(key, decode(raw)), (hash(raw), len(raw))
            self._live.move_to_end(key)
            self._touched.add(key)
            return self._live[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self._journal.lock:
            self._keys[key] = None
            self._live[key] = value
            self._live.move_to_end(key)
            self._touched.add(key)
            self._deleted.discard(key)
            if self._limit is not None and len(self._keys) > self._limit:
                del self[next(iter(self._keys))]

    def __delitem__(self, key: Any) -> None:
        with self._journal.lock:
            del self._keys[key]
            self._live.pop(key, None)
            self._on_disk.pop(key, None)
            self._touched.discard(key)
            self._deleted.add(key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[Any]:
        with self._journal.lock:
            return iter(list(self._keys))

    def __len__(self) -> int:
        return len(self._keys)

    def __deepcopy__(self, memo: object) -> dict[Any, Any]:
        return {}

    def items(self) -> Any:
        """Return keys and values; a value that is not in memory is a copy."""
        with self._journal.lock:
            stored = {_key(raw): value for raw, value in self._journal.database.items(self.name)}
            return [(key, self._peek(key, stored.get(key))) for key in self._keys]

    def values(self) -> Any:
        """Return the values; a value that is not in memory is a copy."""
        return [value for _, value in self.items()]

    def clear(self) -> None:
        """Delete all values without reading them."""
        with self._journal.lock:
            for key in list(self._keys):
                del self[key]

    def on_disk(self, key: Any) -> Any:
        """Return the value as of the last commit; None if there was none."""
        raw = self._journal.database.get(self.name, encode(key))
        return None if raw is None else decode(raw)

    def revert(self, key: Any) -> None:
        """Restore the value of the last commit."""
        with self._journal.lock:
            self._live.pop(key, None)
            self._on_disk.pop(key, None)
            self._touched.discard(key)
            self._deleted.discard(key)
            if self._journal.database.get(self.name, encode(key)) is None:
                self._keys.pop(key, None)
            else:
                self._keys[key] = None

    def changes(self) -> list[Change]:
        """Return what differs from the database; the journal holds the lock."""
        changed: list[Change] = [(self.name, encode(key), None) for key in self._deleted]
        self._pending_marks = {}
        compared = (
            [] if self._is_pinned is None else [key for key, value in self._live.items() if self._is_pinned(value)]
        )
        for key in self._touched.union(compared):
            raw = encode(self._live[key])
            if self._on_disk.get(key) != (hash(raw), len(raw)):
                self._pending_marks[key] = hash(raw), len(raw)
                changed.append((self.name, encode(key), raw))
        return changed

    def saved(self) -> None:
        """Note that the changes returned last are in the database; the journal holds the lock."""
        self._on_disk.update(self._pending_marks)
        self._deleted.clear()
        if self._touched:
            self._touched.clear()
            self._evict()

    def _raw(self, key: Any) -> bytes:
        raw = self._journal.database.get(self.name, encode(key))
        if raw is None:
            raise KeyError(key)
        return raw

    def _peek(self, key: Any, raw: bytes | None) -> Any:
        if key in self._live:
            return self._live[key]
        return self._wrap(key, decode(raw or self._raw(key)))

    def _evict(self) -> None:
        """Drop the least recently used values from memory, except those that another thread has just changed."""
        size = sum(self._on_disk[key][1] for key in self._live)
        for key in list(self._live)[:-_MIN_RECENT_VALUES]:
            if len(self._live) <= _MAX_VALUES_IN_MEMORY and size <= _MAX_BYTES_IN_MEMORY:
                break
            if self._is_pinned is not None and self._is_pinned(self._live[key]):
                continue
            raw = encode(self._live[key])
            if self._on_disk[key] == (hash(raw), len(raw)):
                del self._live[key]
                size -= self._on_disk.pop(key)[1]
            else:
                self._touched.add(key)


def encode(value: Any) -> bytes:
    """Serialize a value or a key to JSON; bytes become base64."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_NON_STR_KEYS)


def decode(raw: bytes) -> Any:
    """Parse what ``encode`` returned."""
    value = orjson.loads(raw)
    return _with_bytes(value) if _BYTES.encode() in raw else value


def _default(value: object) -> Any:
    if isinstance(value, bytes | bytearray):
        return {_BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _with_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_BYTES}:
            return base64.b64decode(value[_BYTES])
        return {key: _with_bytes(item) for key, item in value.items()}
    return [_with_bytes(item) for item in value] if isinstance(value, list) else value


def _key(raw: bytes) -> Any:
    return _hashable(orjson.loads(raw))


def _hashable(value: Any) -> Any:
    return tuple(_hashable(item) for item in value) if isinstance(value, list) else value
