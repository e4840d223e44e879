"""What the stages ask of the world. ``pipeline.cloud`` has one adapter a port, ``tests/fakes`` one fake a port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "Execution",
    "Executions",
    "FunctionCalls",
    "Item",
    "Message",
    "Messages",
    "ObjectInfo",
    "ObjectStore",
    "PutRequest",
    "Table",
]

Item = dict[str, Any]  # numbers are int or float here; the adapter speaks Decimal with DynamoDB


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectInfo:
    """What a HEAD says. ``metadata`` is the user metadata, keys in lower case."""

    key: str
    bytes: int
    etag: str
    version_id: str
    modified_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """One bucket. Calls raise ObjectNotFoundError for a missing object, TransientError for a busy service."""

    @property
    def bucket(self) -> str: ...

    def get(self, key: str, *, version_id: str | None = None) -> bytes: ...

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> None: ...

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Write with ``If-None-Match: *``; false when something is there already."""
        ...

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo: ...

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None: ...

    def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """``progress`` is told how many bytes more are there, as often as some are."""
        ...

    def copy_from(self, source: ObjectStore, source_key: str, key: str, *, version_id: str | None = None) -> None:
        """Copy server-side from another bucket."""
        ...

    def keys(self, prefix: str) -> Iterator[str]: ...

    def latest_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """The latest version of each object, by key, without its metadata: one call per thousand versions."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PutRequest:
    """One write of a transaction, conditional on nothing being there, or on attributes of what is there.

    ``only_if`` is as in Table.update: all equal, None means absent.
    """

    item: Item
    only_if_absent: bool = False
    only_if: Mapping[str, Any] | None = None


class Table(Protocol):
    """A table of items keyed by ``pk`` and ``sk``; those with ``listing``, ``listed_at`` are in the listing index."""

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None: ...

    def put(self, item: Item) -> None: ...

    def put_if_absent(self, item: Item) -> bool: ...

    def update(self, pk: str, sk: str, values: Mapping[str, Any], *, only_if: Mapping[str, Any] | None = None) -> bool:
        """Set attributes of an item that exists, all ``only_if`` being equal (None: absent); false when they are not.

        An attribute written ``a.b`` is the key ``b`` of the map ``a`` (a map that is there).
        """
        ...

    def write_all(self, puts: Sequence[PutRequest]) -> bool:
        """All or nothing; false when a condition does not hold, or another transaction was in the way."""
        ...

    def query(
        self, pk: str, sk_prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Item]: ...

    def listing(self, name: str, *, limit: int | None = None, since: str = "") -> list[Item]:
        """Newest first, by ``listed_at``, which is at least ``since``."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One execution. ``ended_at`` is None while it goes on; ``error`` and ``cause`` are those of a failure."""

    status: str  # as Step Functions calls it: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED
    ended_at: datetime | None = None
    error: str | None = None
    cause: str | None = None


class Executions(Protocol):
    """The state machine."""

    def start(self, name: str, document: Mapping[str, Any]) -> bool:
        """Start the execution ``name``; false when it was started before."""
        ...

    def stop(self, name: str, cause: str) -> None: ...

    def describe(self, name: str) -> Execution | None:
        """The execution ``name``; None when there was none, or it ended 90 days ago."""
        ...


class FunctionCalls(Protocol):
    """Another function, called synchronously."""

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer; raise error_named(...) for what it raised."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message of a queue. ``receipt`` names this delivery of it."""

    body: str
    receipt: str


class Messages(Protocol):
    """One queue."""

    def count(self) -> int:
        """About how many messages wait."""
        ...

    def take(self) -> Sequence[Message]:
        """Some messages, none when there are none; they come again in a while unless they are deleted."""
        ...

    def send(self, body: str) -> None: ...

    def delete(self, message: Message) -> None: ...
