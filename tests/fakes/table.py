"""The table in memory, with DynamoDB's conditional semantics."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.cloud.attributes import MAX_ITEM_BYTES, item_bytes
from pipeline.contracts.errors import ItemTooLargeError
from pipeline.contracts.ports import CheckRequest, Item, PutRequest, TableWrite, UpdateRequest

__all__ = ["FakeTable"]


@dataclass
class FakeTable:
    """A Table whose calls are atomic for threads; items are copied in and out."""

    _items: dict[tuple[str, str], Item] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        with self._lock:
            return copy.deepcopy(self._items.get((pk, sk)))

    def get_all(self, keys: Sequence[tuple[str, str]], *, consistent: bool = True) -> list[Item]:
        with self._lock:
            return [copy.deepcopy(self._items[key]) for key in keys if key in self._items]

    def put(self, item: Item) -> None:
        self.write_all([PutRequest(item=item)])

    def put_if_absent(self, item: Item) -> bool:
        return self.write_all([PutRequest(item=item, only_if_absent=True)])

    def update(
        self,
        pk: str,
        sk: str,
        values: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        only_if: Mapping[str, Any] | None = None,
    ) -> bool:
        return self.write_all([UpdateRequest(key=(pk, sk), values=values, remove=remove, only_if=only_if)])

    def increment(self, pk: str, sk: str, amounts: Mapping[str, float], values: Mapping[str, Any]) -> None:
        with self._lock:
            item = self._items.setdefault((pk, sk), {"pk": pk, "sk": sk})
            item |= {name: item.get(name, 0) + amount for name, amount in amounts.items()} | copy.deepcopy(dict(values))

    def delete(self, pk: str, sk: str) -> None:
        with self._lock:
            self._items.pop((pk, sk), None)

    def write_all(self, writes: Sequence[TableWrite]) -> bool:
        with self._lock:
            if not all(self._is_allowed(write) for write in writes):
                return False
            changed = [self._written(write) for write in writes if not isinstance(write, CheckRequest)]
            for item in changed:
                _check_size(item)
            self._items.update({_key(item): item for item in changed})
            return True

    def query(
        self,
        pk: str,
        sk_prefix: str = "",
        *,
        newest_first: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Item]:
        with self._lock:
            keys = sorted(key for key in self._items if key[0] == pk and key[1].startswith(sk_prefix))
            ordered = keys[::-1] if newest_first else keys
            if after is not None:
                ordered = [key for key in ordered if (key[1] < after if newest_first else key[1] > after)]
            return [copy.deepcopy(self._items[key]) for key in ordered[:limit]]

    def listing(self, name: str, *, limit: int | None = None, since: str = "", before: str = "") -> list[Item]:
        with self._lock:
            found = [
                item
                for item in self._items.values()
                if item.get("listing") == name
                and (since or " ") <= item.get("listed_at", "")
                and (not before or item["listed_at"] < before)
            ]
            return copy.deepcopy(sorted(found, key=lambda item: item["listed_at"], reverse=True)[:limit])

    def _is_allowed(self, write: TableWrite) -> bool:
        if isinstance(write, PutRequest):
            item = self._items.get(_key(write.item))
            if write.only_if_absent:
                return item is None
            return write.only_if is None or (item is not None and _holds(item, write.only_if))
        item = self._items.get(write.key)
        return item is not None and _holds(item, write.only_if)

    def _written(self, write: PutRequest | UpdateRequest) -> Item:
        if isinstance(write, PutRequest):
            return copy.deepcopy(write.item)
        changed = copy.deepcopy(self._items[write.key])
        for path, value in write.values.items():
            *parents, last = path.split(".")
            target = changed
            for name in parents:
                target = target[name]
            target[last] = copy.deepcopy(value)
        for name in write.remove:
            changed.pop(name, None)
        return changed


def _check_size(item: Item) -> None:
    if item_bytes(item) > MAX_ITEM_BYTES:
        raise ItemTooLargeError("a record is larger than an item may be")


def _key(item: Item) -> tuple[str, str]:
    return item["pk"], item["sk"]


def _holds(item: Item, only_if: Mapping[str, Any] | None) -> bool:
    return all(
        name not in item if value is None else item.get(name) == value for name, value in (only_if or {}).items()
    )
