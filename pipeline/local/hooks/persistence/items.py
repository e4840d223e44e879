"""Gap: DynamoDB writes its items only at a clean end, and stream readers keep positions that a restart invalidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ministack.services import dynamodb, lambda_svc

from pipeline.local.private_names import private_names
from pipeline.local.store.database import Change
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import decode, encode

__all__ = ["PRIVATE_NAMES", "Items"]

PRIVATE_NAMES = (
    *private_names(
        dynamodb,
        "_extract_key_val(attr)",
        "_items_replaced(table)",
        "_remove_item(table, pk_val, sk_val)",
        "_set_item(table, pk_val, sk_val, item)",
        "_tables",
        "load_persisted_state(data)",
    ),
    *private_names(lambda_svc, "_dynamodb_stream_positions", "_restore_esm_positions(store, positions)"),
)

Table = dict[str, Any]
_STORE = "dynamodb-items"
_NO_SORT_KEY = "__no_sort__"  # MiniStack's placeholder


class _TableItems(defaultdict[Any, dict[Any, Any]]):
    """Items by partition key and sort key. A copy is empty: the items are on disk already."""

    def __deepcopy__(self, memo: object) -> dict[Any, Any]:
        return {}


class Items:
    """Items of all tables, in memory; a change is in the journal before the response to its request."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._changed: dict[bytes, bytes | None] = {}
        journal.add(self)

    def install(self) -> None:
        """Record each change of an item, and load the items with their tables."""
        put, remove, replaced = dynamodb._set_item, dynamodb._remove_item, dynamodb._items_replaced
        load, restore_positions = dynamodb.load_persisted_state, lambda_svc._restore_esm_positions

        def put_and_record(table: Table, pk_val: Any, sk_val: Any, item: Any) -> Any:
            with self._journal.lock:
                result = put(_wrap_items(table), pk_val, sk_val, item)
                self._changed[_key(table, pk_val, sk_val)] = encode(item)
                return result

        def remove_and_record(table: Table, pk_val: Any, sk_val: Any) -> Any:
            with self._journal.lock:
                self._changed[_key(table, pk_val, sk_val)] = None
                return remove(table, pk_val, sk_val)

        def replace_and_record(table: Table) -> None:
            with self._journal.lock:
                self._replace(_wrap_items(table))
                replaced(table)

        def load_with_items(data: Mapping[str, Any]) -> None:
            load(data)
            self._load()

        def restore_to_the_beginning(store: Any, positions: Any) -> None:
            restore_positions(store, positions)
            if store is lambda_svc._dynamodb_stream_positions:  # the streams are empty after a restart
                store._data.update(dict.fromkeys(store._data, 0))

        lambda_svc._restore_esm_positions = restore_to_the_beginning
        dynamodb._set_item, dynamodb._remove_item = put_and_record, remove_and_record
        dynamodb._items_replaced, dynamodb.load_persisted_state = replace_and_record, load_with_items

    def changes(self) -> list[Change]:
        """Return the items that were written or removed."""
        return [(_STORE, key, value) for key, value in self._changed.items()]

    def saved(self) -> None:
        """Forget the changes returned last."""
        self._changed.clear()

    def _replace(self, table: Table) -> None:
        """Record that all items changed: MiniStack restored a table or rolled back a transaction."""
        table_key = encode(table["TableId"])
        for raw, _ in self._journal.database.items(_STORE):
            if encode(decode(raw)[0]) == table_key:
                self._changed[raw] = None
        for pk_val, items in table["items"].items():
            for sk_val, item in items.items():
                self._changed[_key(table, pk_val, sk_val)] = encode(item)

    def _load(self) -> None:
        """Put each item into its table; delete those of a table that no longer exists."""
        tables = {table["TableId"]: _wrap_items(table) for table in dynamodb._tables.all_values()}
        for table in tables.values():
            for pk_val, items in table["items"].items():  # an earlier version stored them with the table
                self._changed.update({_key(table, pk_val, sk_val): encode(item) for sk_val, item in items.items()})
        for raw, value in self._journal.database.items(_STORE):
            table_id = decode(raw)[0]
            if table_id not in tables:
                self._changed[raw] = None
                continue
            table, item = tables[table_id], decode(value)
            sort_key = dynamodb._extract_key_val(item.get(table["sk_name"])) if table["sk_name"] else _NO_SORT_KEY
            table["items"][dynamodb._extract_key_val(item[table["pk_name"]])][sort_key] = item
        for table in tables.values():
            dynamodb._update_counts(table)


def _wrap_items(table: Table) -> Table:
    if not isinstance(table["items"], _TableItems):
        table["items"] = _TableItems(dict, table["items"])
    return table


def _key(table: Table, pk_val: Any, sk_val: Any) -> bytes:
    return encode([table["TableId"], pk_val, sk_val])
