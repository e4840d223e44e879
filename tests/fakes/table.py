"""The table in memory, with DynamoDB's conditional semantics."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.cloud.attributes import MAX_ITEM_BYTES, item_bytes
from pipeline.contracts.errors import ItemTooLargeError
from pipeline.contracts.ports import Item, PutRequest

__all__ = ["FakeTable"]


@dataclass
class FakeTable:
    """A Table whose calls are atomic among threads; items come and go as copies."""

    _items: dict[tuple[str, str], Item] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        with self._lock:
            return copy.deepcopy(self._items.get((pk, sk)))

    def put(self, item: Item) -> None:
        self.write_all([PutRequest(item=item)])

    def put_if_absent(self, item: Item) -> bool:
        return self.write_all([PutRequest(item=item, only_if_absent=True)])

    def update(self, pk: str, sk: str, values: Mapping[str, Any], *, only_if: Mapping[str, Any] | None = None) -> bool:
        with self._lock:
            item = self._items.get((pk, sk))
            if item is None or not _holds(item, only_if):
                return False
            changed = copy.deepcopy(item)
            for path, value in values.items():
                *parents, last = path.split(".")
                target = changed
                for name in parents:
                    target = target[name]
                target[last] = copy.deepcopy(value)
            _check_size(changed)
            self._items[pk, sk] = changed
            return True

    def write_all(self, puts: Sequence[PutRequest]) -> bool:
        for put in puts:
            _check_size(put.item)
        with self._lock:
            if not all(self._allowed(put) for put in puts):
                return False
            for put in puts:
                self._items[_key(put.item)] = copy.deepcopy(put.item)
            return True

    def query(
        self, pk: str, sk_prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Item]:
        with self._lock:
            found = sorted(key for key in self._items if key[0] == pk and key[1].startswith(sk_prefix))
            return [copy.deepcopy(self._items[key]) for key in (found[::-1] if newest_first else found)[:limit]]

    def listing(self, name: str, *, limit: int | None = None, since: str = "") -> list[Item]:
        with self._lock:
            found = [
                item
                for item in self._items.values()
                if item.get("listing") == name and item.get("listed_at", "") >= (since or " ")
            ]
            return copy.deepcopy(sorted(found, key=lambda item: item["listed_at"], reverse=True)[:limit])

    def _allowed(self, put: PutRequest) -> bool:
        item = self._items.get(_key(put.item))
        if put.only_if_absent:
            return item is None
        return put.only_if is None or (item is not None and _holds(item, put.only_if))


def _check_size(item: Item) -> None:
    if item_bytes(item) > MAX_ITEM_BYTES:
        raise ItemTooLargeError("a record is larger than an item may be")


def _key(item: Item) -> tuple[str, str]:
    return item["pk"], item["sk"]


def _holds(item: Item, only_if: Mapping[str, Any] | None) -> bool:
    return all(
        name not in item if value is None else item.get(name) == value for name, value in (only_if or {}).items()
    )
