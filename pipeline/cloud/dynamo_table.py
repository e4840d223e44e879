"""The stack's DynamoDB table: key ``pk``, ``sk``; index ``listing-index`` with the key ``listing``, ``listed_at``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pipeline.cloud.attributes import (
    MAX_ITEM_BYTES,
    deserialize_item,
    increment_request,
    item_bytes,
    serialize_item,
    write_value,
)
from pipeline.cloud.errors import code_of, translate_errors
from pipeline.contracts.errors import ItemTooLargeError, TransientError
from pipeline.contracts.ports import CheckRequest, Item, PutRequest, TableWrite, UpdateRequest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["DynamoTable"]

_LISTING_INDEX = "listing-index"
_BATCH = 100  # keys per BatchGetItem call
_MAX_BATCHES = 10  # calls beyond one per full batch, for keys that DynamoDB did not process
_FIRST_PAUSE = 0.05  # seconds, doubled after each call
_LOST = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


class DynamoTable:
    """A Table. The listing index is a global index, which is mostly less than a second behind the table."""

    def __init__(self, client: DynamoDBClient, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """Return an item; None if it is absent (GetItem)."""
        with self._translate_errors():
            response = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=consistent)
        return deserialize_item(response["Item"]) if "Item" in response else None

    def get_all(self, keys: Sequence[tuple[str, str]], *, consistent: bool = True) -> list[Item]:
        """Return items in the order of their keys, without absent ones (BatchGetItem, 100 at once).

        Raises:
            TransientError: DynamoDB did not return all items in several calls.
        """
        items: dict[tuple[str, str], Item] = {}
        waiting = [_key(*key) for key in keys]
        with self._translate_errors():
            for attempt in range(_MAX_BATCHES + len(keys) // _BATCH):
                if not waiting:
                    break
                request: Any = {self._name: {"Keys": waiting[:_BATCH], "ConsistentRead": consistent}}
                response = self._client.batch_get_item(RequestItems=request)
                read = map(deserialize_item, response["Responses"].get(self._name, []))
                items |= {(item["pk"], item["sk"]): item for item in read}
                unread: Any = response.get("UnprocessedKeys", {}).get(self._name, {"Keys": []})["Keys"]
                waiting = [*waiting[_BATCH:], *unread]
                if unread:  # the call was throttled, or its response reached 16 MB
                    self._sleep(min(_FIRST_PAUSE * 2**attempt, 1.0))
        if waiting:
            raise TransientError(f"the table {self._name} did not return all items")
        return [items[key] for key in keys if key in items]

    def put(self, item: Item) -> None:
        """Write an item, and replace an item with the same key (PutItem).

        Raises:
            ItemTooLargeError: The item is larger than DynamoDB's 400 KB.
        """
        with self._translate_errors():
            self._client.put_item(**self._put(PutRequest(item=item)))

    def put_if_absent(self, item: Item) -> bool:
        """Write an item unless an item with this key exists; return whether it was written.

        Raises:
            ItemTooLargeError: The item is larger than DynamoDB's 400 KB.
        """
        with self._translate_errors(), _IgnoredCondition():
            self._client.put_item(**self._put(PutRequest(item=item, only_if_absent=True)))
            return True
        return False

    def update(
        self,
        pk: str,
        sk: str,
        values: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        only_if: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set and remove attributes of an existing item; return False if it is absent or ``only_if`` does not hold.

        Raises:
            ItemTooLargeError: The updated item would be larger than DynamoDB's 400 KB.
        """
        request = UpdateRequest(key=(pk, sk), values=values, remove=remove, only_if=only_if)
        with self._translate_errors(), _IgnoredCondition():
            self._client.update_item(**self._update(request))
            return True
        return False

    def increment(self, pk: str, sk: str, amounts: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """Add ``amounts`` to numbers of an item and set ``values``; create the item if it is absent (UpdateItem)."""
        with self._translate_errors():
            self._client.update_item(TableName=self._name, Key=_key(pk, sk), **increment_request(amounts, values))

    def delete(self, pk: str, sk: str) -> None:
        """Delete an item; an absent one is ignored."""
        with self._translate_errors():
            self._client.delete_item(TableName=self._name, Key=_key(pk, sk))

    def write_all(self, writes: Sequence[TableWrite]) -> bool:
        """Write all items or none (TransactWriteItems); return False if a condition failed, or on a conflict.

        Raises:
            ItemTooLargeError: An item is larger than DynamoDB's 400 KB.
        """
        with self._translate_errors(), _IgnoredCondition():
            self._client.transact_write_items(TransactItems=[self._transact(write) for write in writes])
            return True
        return False

    def query(
        self,
        pk: str,
        sk_prefix: str = "",
        *,
        newest_first: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Item]:
        """Return the items of a partition in the order of their sort keys (Query, strongly consistent)."""
        expression = _ExpressionBuilder()
        condition = f"{expression.path('pk')} = {expression.value(pk)}"
        if sk_prefix:
            condition += f" AND begins_with({expression.path('sk')}, {expression.value(sk_prefix)})"
        request = {"KeyConditionExpression": condition, "ConsistentRead": True, **expression.bound()}
        if after is not None:
            request["ExclusiveStartKey"] = _key(pk, after)
        return self._pages(request, newest_first=newest_first, limit=limit)

    def listing(self, name: str, *, limit: int | None = None, since: str = "", before: str = "") -> list[Item]:
        """Return the items of the listing index, newest first (Query, eventually consistent)."""
        expression = _ExpressionBuilder()
        condition = f"{expression.path('listing')} = {expression.value(name)}"
        if before:
            condition += f" AND {expression.path('listed_at')} < {expression.value(before)}"
        elif since:
            condition += f" AND {expression.path('listed_at')} >= {expression.value(since)}"
        request = {"KeyConditionExpression": condition, "IndexName": _LISTING_INDEX, **expression.bound()}
        return self._pages(request, newest_first=True, limit=limit)

    def _pages(self, request: dict[str, Any], *, newest_first: bool, limit: int | None) -> list[Item]:
        with self._translate_errors():
            pages = self._client.get_paginator("query").paginate(
                TableName=self._name,
                ScanIndexForward=not newest_first,
                PaginationConfig={} if limit is None else {"PageSize": limit},  # without a limit, a page has 1 MB
                **request,
            )
            items = (item for page in pages for item in page["Items"])
            return [deserialize_item(item) for item in islice(items, limit)]

    def _transact(self, write: TableWrite) -> Any:
        match write:
            case PutRequest():
                return {"Put": self._put(write)}
            case UpdateRequest():
                return {"Update": self._update(write)}
            case CheckRequest():
                return {"ConditionCheck": self._check(write, _ExpressionBuilder())}

    def _update(self, update: UpdateRequest) -> Any:
        expression = _ExpressionBuilder()
        assignments = [f"{expression.path(name)} = {expression.value(value)}" for name, value in update.values.items()]
        removals = [expression.path(name) for name in update.remove]
        clauses = [
            f"{verb} {', '.join(terms)}" for verb, terms in (("SET", assignments), ("REMOVE", removals)) if terms
        ]
        return {"UpdateExpression": " ".join(clauses), **self._check(update, expression)}

    def _check(self, request: UpdateRequest | CheckRequest, expression: _ExpressionBuilder) -> Any:
        """Return the parameters of a condition on an existing item: key, condition, bound placeholders."""
        condition = expression.condition(request.only_if)
        return {
            "TableName": self._name,
            "Key": _key(*request.key),
            "ConditionExpression": condition,
            **expression.bound(),
        }

    def _put(self, put: PutRequest) -> Any:
        if (size := item_bytes(put.item)) > MAX_ITEM_BYTES:
            raise ItemTooLargeError(
                f"a record for the table {self._name} has {size:,} bytes: at most {MAX_ITEM_BYTES:,} are allowed"
            )
        expression = _ExpressionBuilder()
        request: dict[str, Any] = {"TableName": self._name, "Item": serialize_item(put.item)}
        if put.only_if_absent:
            request["ConditionExpression"] = f"attribute_not_exists({expression.path('pk')})"
        elif put.only_if is not None:
            request["ConditionExpression"] = expression.condition(put.only_if)
        return request | (expression.bound() if "ConditionExpression" in request else {})

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_errors(f"the table {self._name}")


class _ExpressionBuilder:
    """Names and values of an expression by placeholder, because DynamoDB reserves many English words."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def path(self, dotted: str) -> str:
        return ".".join(self._names.setdefault(name, f"#n{len(self._names)}") for name in dotted.split("."))

    def value(self, value: object) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = write_value(value)
        return placeholder

    def condition(self, only_if: Mapping[str, Any] | None) -> str:
        """Return the condition that an item exists and has these values; None means that the attribute is absent."""
        return " AND ".join([f"attribute_exists({self.path('pk')})", *self._equalities(only_if or {})])

    def _equalities(self, only_if: Mapping[str, Any]) -> Iterator[str]:
        for name, value in only_if.items():
            absent = f"attribute_not_exists({self.path(name)})"
            yield absent if value is None else f"{self.path(name)} = {self.value(value)}"

    def bound(self) -> dict[str, Any]:
        names = {placeholder: name for name, placeholder in self._names.items()}
        values = {"ExpressionAttributeValues": self._values} if self._values else {}
        return {"ExpressionAttributeNames": names, **values}


def _key(pk: str, sk: str) -> dict[str, Any]:
    return serialize_item({"pk": pk, "sk": sk})


class _IgnoredCondition(AbstractContextManager[None, bool]):
    """Context manager that ends its block without an error if a write's condition fails or a transaction conflicts."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, ClientError):
            return False
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
        is_lost = code_of(error) == "TransactionCanceledException" and bool(reasons & _LOST)
        return is_lost or code_of(error) == "ConditionalCheckFailedException"
