"""Port of the table (DynamoDB)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["CheckRequest", "Item", "PutRequest", "Table", "TableWrite", "UpdateRequest"]

Item = dict[str, Any]  # numbers are int or float; the adapter converts them to Decimal for DynamoDB


@dataclass(frozen=True, kw_only=True, slots=True)
class PutRequest:
    """One write of a transaction.

    Attributes:
        item: The whole item; it replaces one with the same key.
        only_if_absent: Write only if no item has this key.
        only_if: Write only if an item has this key and all these attributes are equal; None means that the attribute is
            absent.
    """

    item: Item
    only_if_absent: bool = False
    only_if: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateRequest:
    """One change of an existing item, in a transaction.

    Attributes:
        key: Partition key and sort key.
        values: Attributes to set, as ``Table.update`` takes them.
        remove: Attributes to remove.
        only_if: Attributes that must be equal; None means that the attribute is absent.
    """

    key: tuple[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    remove: Sequence[str] = ()
    only_if: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRequest:
    """A condition of a transaction on an item that it does not change.

    Attributes:
        key: Partition key and sort key of an item that must exist.
        only_if: Attributes that must be equal; None means that the attribute is absent.
    """

    key: tuple[str, str]
    only_if: Mapping[str, Any] | None = None


TableWrite = PutRequest | UpdateRequest | CheckRequest


class Table(Protocol):
    """Items of one DynamoDB table, keyed by ``pk`` (partition) and ``sk`` (sort key).

    Items with the attributes ``listing`` and ``listed_at`` are also in the listing index. Reads by key and queries are
    strongly consistent unless the caller asks otherwise; the listing index is eventually consistent, usually within a
    second. All writes raise ItemTooLargeError for an item of more than 400 KB, and then write nothing.
    """

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """Read one item.

        Args:
            pk: Partition key.
            sk: Sort key.
            consistent: Read strongly consistently; otherwise the item may be a second old, at half the price.

        Returns:
            The item; None if there is none.
        """
        ...

    def get_all(self, keys: Sequence[tuple[str, str]], *, consistent: bool = True) -> list[Item]:
        """Read several items, in the order of their keys; absent ones are left out.

        Args:
            keys: Partition and sort keys, each once.
            consistent: As for ``get``.

        Raises:
            TransientError: The table did not return all items.
        """
        ...

    def put(self, item: Item) -> None:
        """Write an item, or replace the one with the same key. Idempotent."""
        ...

    def put_if_absent(self, item: Item) -> bool:
        """Write an item only if no item has its key.

        Safe to repeat: a second call writes nothing. After a lost response it returns False although this caller wrote.

        Returns:
            True if this call wrote the item, False if one existed; of concurrent callers exactly one gets True.
        """
        ...

    def update(
        self,
        pk: str,
        sk: str,
        values: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        only_if: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set and remove attributes of an existing item, atomically with its condition.

        Args:
            pk: Partition key.
            sk: Sort key.
            values: Attributes to set; ``a.b`` sets the key ``b`` of the map ``a``, which must exist.
            remove: Attributes to remove; absent ones are ignored.
            only_if: Attributes that must be equal; None means that the attribute is absent.

        Returns:
            True if the item was changed; False if it does not exist or ``only_if`` does not hold.
        """
        ...

    def increment(self, pk: str, sk: str, amounts: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """Add to numbers of an item, which is created if it does not exist. Atomic; not idempotent.

        Args:
            pk: Partition key.
            sk: Sort key.
            amounts: Number to add to each attribute; an absent attribute counts as 0.
            values: Attributes to set in the same write.
        """
        ...

    def delete(self, pk: str, sk: str) -> None:
        """Delete an item. Idempotent: an absent item is ignored."""
        ...

    def write_all(self, writes: Sequence[TableWrite]) -> bool:
        """Write several items in one transaction: all or none.

        Args:
            writes: At most 100 writes and checks, each of a different item.

        Returns:
            True if all were written; False if a condition did not hold or another transaction touched one of the items.
        """
        ...

    def query(
        self,
        pk: str,
        sk_prefix: str = "",
        *,
        newest_first: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Item]:
        """Read the items of a partition, ordered by sort key. Strongly consistent.

        Args:
            pk: Partition key.
            sk_prefix: Only items whose sort key begins with this text.
            newest_first: Order by descending sort key.
            limit: Maximum number of items; None for all.
            after: Only items that follow this sort key in the order. It begins with ``sk_prefix``; there may be no item
                with this key.
        """
        ...

    def listing(self, name: str, *, limit: int | None = None, since: str = "", before: str = "") -> list[Item]:
        """Read the items of the listing index under ``name``, largest ``listed_at`` first. Eventually consistent.

        Args:
            name: Value of the attribute ``listing``.
            limit: Maximum number of items; None for all.
            since: Only items whose ``listed_at`` is at least this text.
            before: Only items whose ``listed_at`` is less than this text; not together with ``since``.
        """
        ...
