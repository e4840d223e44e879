"""Ports: the interfaces through which the stages use AWS services.

Each Protocol is the contract that its adapter in ``pipeline.cloud`` and its fake in ``tests/fakes`` fulfill; the same
tests run against both. Every call of every port may raise, besides what its docstring lists:

    TransientError      the service did not answer, or throttled the call; the same call may succeed later
    ConfigurationError  the bucket, table, queue or state machine does not exist, or the credentials may not use it

A call that raised TransientError may have taken effect. Repeat it only where its docstring says that it is idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "CheckRequest",
    "Execution",
    "Executions",
    "FunctionCalls",
    "GatewayKeys",
    "Item",
    "Message",
    "Messages",
    "ObjectInfo",
    "ObjectStore",
    "PutRequest",
    "Table",
    "TableWrite",
    "UpdateRequest",
]

Item = dict[str, Any]  # numbers are int or float; the adapter converts them to Decimal for DynamoDB


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectInfo:
    """Metadata of one object version, as S3's HeadObject returns it.

    Attributes:
        key: Key in the bucket.
        bytes: Size of the content.
        etag: Entity tag, without its quotes.
        version_id: Version; ``null`` in a bucket without versioning.
        modified_at: Time of the upload, UTC, in whole seconds on S3.
        metadata: User metadata (``x-amz-meta-*``), keys in lower case; empty where a listing returned the object.
    """

    key: str
    bytes: int
    etag: str
    version_id: str
    modified_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Objects of one bucket.

    Reads are strongly consistent: a read that begins after a write has returned sees it. Writes are whole or absent: no
    reader sees half an object.
    """

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        ...

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        """Read an object.

        Args:
            key: Key of the object.
            version_id: Version to read; the latest one by default.

        Returns:
            The content.

        Raises:
            ObjectNotFoundError: The object or the version does not exist, or the latest version is a delete marker.
        """
        ...

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write an object, or replace it. Idempotent.

        Args:
            key: Key of the object.
            body: The whole content.
            content_type: MIME type that downloads will have.
            metadata: User metadata; keys and values must be ASCII.
        """
        ...

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Write an object only if the key has none (``If-None-Match: *``).

        Safe to repeat: a second call writes nothing. After a lost response it returns False although this caller wrote.

        Args:
            key: Key of the object.
            body: The whole content.

        Returns:
            True if this call wrote the object, False if one existed; of concurrent callers exactly one gets True.
        """
        ...

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """Read an object's metadata without its content.

        Args:
            key: Key of the object.
            version_id: Version to describe; the latest one by default.

        Raises:
            ObjectNotFoundError: The object or the version does not exist, or the latest version is a delete marker.
        """
        ...

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        """Write an object to a file, in parallel ranges.

        Args:
            key: Key of the object.
            path: File to write; it is replaced. After an error no partial file is left under this name.
            version_id: Version to read; the latest one by default.

        Raises:
            ObjectNotFoundError: The object or the version does not exist.
        """
        ...

    def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write an object from a file, in parallel parts. Idempotent.

        Args:
            path: File to read.
            key: Key of the object; an existing object is replaced.
            metadata: User metadata; keys and values must be ASCII.
            progress: Called from other threads with the number of bytes sent since its last call.
        """
        ...

    def copy_from(self, source: ObjectStore, source_key: str, key: str, *, version_id: str | None = None) -> None:
        """Copy an object server-side from another bucket of the same account. Idempotent.

        Args:
            source: Bucket that holds the object.
            source_key: Key in ``source``.
            key: Key in this bucket; an existing object is replaced.
            version_id: Version to copy; the latest one by default.

        Raises:
            ObjectNotFoundError: The source has no such object or version.
        """
        ...

    def delete_all(self, prefix: str) -> int:
        """Delete all versions of all objects whose key begins with ``prefix``. Idempotent.

        Returns:
            Number of deleted versions, delete markers included.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with ``prefix``, in UTF-8 byte order.

        Keys written or deleted during the iteration may or may not be listed.
        """
        ...

    def latest_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """List the latest version of each object whose key begins with ``prefix``, ordered by key.

        Objects whose latest version is a delete marker are left out. One request returns up to 1,000 versions, old ones
        included. ``ObjectInfo.metadata`` is empty.
        """
        ...


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

    def delete(self, pk: str, sk: str) -> None:
        """Delete an item. Idempotent: an absent item is ignored."""
        ...

    def write_all(self, writes: Sequence[TableWrite]) -> bool:
        """Write several items in one transaction: all or none.

        Args:
            writes: At most 100 writes and checks, each of another item.

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
            sk_prefix: Only items whose sort key begins with it.
            newest_first: Order by descending sort key.
            limit: Maximum number of items; None for all.
            after: Only items that follow this sort key in the order; it begins with ``sk_prefix``, and no item need
                have it.
        """
        ...

    def listing(self, name: str, *, limit: int | None = None, since: str = "") -> list[Item]:
        """Read the items of the listing index under ``name``, largest ``listed_at`` first. Eventually consistent.

        Args:
            name: Value of the attribute ``listing``.
            limit: Maximum number of items; None for all.
            since: Only items whose ``listed_at`` is at least this text.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One execution of the state machine.

    Attributes:
        status: As Step Functions names it: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED.
        ended_at: End of the execution; None while it runs.
        error: Error name of a failure.
        cause: Cause of a failure; a sentence or a JSON document.
    """

    status: str
    ended_at: datetime | None = None
    error: str | None = None
    cause: str | None = None


class Executions(Protocol):
    """Executions of the state machine, each named after its run."""

    def start(self, name: str, document: Mapping[str, Any]) -> bool:
        """Start the execution ``name``.

        Idempotent for 90 days, in which a name is used only once.

        Args:
            name: At most 80 characters.
            document: Input of the execution, as JSON.

        Returns:
            True if it was started; False if an execution of this name exists, running or ended.
        """
        ...

    def stop(self, name: str, cause: str) -> None:
        """Abort the execution ``name``, and the Batch jobs that it waits for.

        Idempotent: an execution that has ended stays as it ended.

        Args:
            name: Name of the execution.
            cause: Sentence that the execution shows as its Cause.

        Raises:
            NotFoundError: There is no such execution.
        """
        ...

    def describe(self, name: str) -> Execution | None:
        """Describe the execution ``name``; its start is visible within seconds.

        Returns:
            The execution; None if there is none, or it ended more than 90 days ago.
        """
        ...


class FunctionCalls(Protocol):
    """Synchronous calls of other Lambda functions."""

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function and return its response.

        Args:
            function: Name or ARN.
            event: Event of the call, as JSON; at most 6 MB.

        Raises:
            ModeldropError: The function raised. It is the class of that name in contracts.errors; JobCrashedError for
                an unknown name.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message of a queue, as one delivery has it.

    Attributes:
        body: Content of the message.
        receipt: Handle of this delivery, which deletes the message.
    """

    body: str
    receipt: str


class Messages(Protocol):
    """Messages of one SQS queue. Delivery is at least once and in no order."""

    def count(self) -> int:
        """Return approximately how many messages are waiting."""
        ...

    def take(self) -> Sequence[Message]:
        """Receive up to ten messages, and hide them for the queue's visibility timeout.

        Returns:
            Messages, possibly none. Each is delivered again after the timeout unless it is deleted.
        """
        ...

    def send(self, body: str) -> None:
        """Send a message. Not idempotent: repeated, it sends another message."""
        ...

    def delete(self, message: Message) -> None:
        """Delete a message by its delivery. Idempotent."""
        ...


class GatewayKeys(Protocol):
    """API Gateway's keys, one for each tenant, and the usage plans that limit them."""

    def create(self, tenant: str, value: str, tier: str) -> None:
        """Create a tenant's key in the usage plan of a tier. Idempotent.

        Args:
            tenant: Tenant that the key belongs to.
            value: The key itself, 20 to 128 characters.
            tier: Name of the usage plan.
        """
        ...

    def delete(self, tenant: str) -> None:
        """Delete a tenant's key. Idempotent: an absent key is ignored."""
        ...
