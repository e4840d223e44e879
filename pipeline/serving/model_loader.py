"""Load registered versions from the table and the artifacts bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from pipeline.contracts.artifacts import read_artifact
from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.contracts.signature import Signature
from pipeline.contracts.table_keys import alias_key, version_key, version_prefix
from pipeline.evaluation.sessions import WideSession, session_options
from pipeline.evaluation.stored_models import unpack_model
from pipeline.serving.api.model_source import LIVE
from pipeline.serving.loaded_model import InferenceSession, LoadedModel
from pipeline.serving.metadata import MAX_NAMED_VERSIONS
from pipeline.serving.rollouts.alias_target import AliasTarget, read_alias

if TYPE_CHECKING:
    from pipeline.contracts.ports import Item

__all__ = ["ItemReader", "ModelLoader", "ObjectReader", "ServedTable", "make_session_factory"]

_READY = "READY"


def make_session_factory(threads: int) -> Callable[[bytes], InferenceSession]:
    """Return a function that creates an onnxruntime session with ``threads`` threads from a model file."""
    options = session_options(threads)
    return lambda file: WideSession(file, options, providers=["CPUExecutionProvider"])


class ItemReader(Protocol):
    """The part of the port Table that a ModelLoader uses."""

    def get(self, pk: str, sk: str) -> Item | None:
        """Return an item; None if there is none."""
        ...

    def query(
        self, pk: str, sk_prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> Sequence[Item]:
        """Return at most ``limit`` items of a partition whose sort key has a prefix, ordered by sort key."""
        ...


class ServedTable(ItemReader, Protocol):
    """The part of the port Table that serving uses, with counters for rollouts."""

    def increment(self, pk: str, sk: str, amounts: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """Add ``amounts`` to numbers of an item, and set its ``values``; create the item if it does not exist."""
        ...


class ObjectReader(Protocol):
    """The part of the port ObjectStore that a ModelLoader uses."""

    def get(self, key: str) -> bytes:
        """Return an object.

        Raises:
            ObjectNotFoundError: There is no such object.
        """
        ...


class ModelLoader:
    """Loads versions.

    It reads the JSON records in the registry's table directly, so that predictions do not import pydantic. Model files
    are loaded from memory, not from disk.

    Args:
        table: Table of the registry.
        artifacts: Bucket of the model files.
        make_session: Creates a session from a model file.
    """

    def __init__(
        self, table: ItemReader, artifacts: ObjectReader, make_session: Callable[[bytes], InferenceSession]
    ) -> None:
        self._table = table
        self._artifacts = artifacts
        self._make_session = make_session

    def find_alias(self, tenant: str, model: str, alias: str) -> AliasTarget:
        """Return the version that an alias points to, and the rollout if there is one, with one read of the table.

        Raises:
            NotFoundError: The tenant has no such model, or none of its versions has the alias.
        """
        item = self._table.get(*alias_key(tenant, model, alias))
        if item is None:
            missing = f"live model '{model}'" if alias == LIVE else f"model '{model}' with the alias '{alias}'"
            raise NotFoundError(f"there is no {missing}")
        return read_alias(item)

    def versions(self, tenant: str, model: str) -> list[int]:
        """Return the callable versions among the ``MAX_NAMED_VERSIONS`` newest versions of a model, oldest first."""
        items = self._table.query(*version_prefix(tenant, model), newest_first=True, limit=MAX_NAMED_VERSIONS)
        usable = [item for item in reversed(items) if not {"archived_at", "deleted_at"} & item.keys()]
        records = [orjson.loads(item["record"]) for item in usable]
        return [record["version"] for record in records if record["status"] == _READY]

    def load(self, tenant: str, model: str, version: int, *, allow_unready: bool = False) -> LoadedModel:
        """Load a version.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            version: Number of the version.
            allow_unready: Also load a version that has not passed its smoke test.

        Raises:
            NotFoundError: The tenant has no such version, or it is deleted.
            ConflictError: The version is archived, or has not passed its smoke test.
            IntegrityError: The version's file is missing or changed.
        """
        item = self._table.get(*version_key(tenant, model, version))
        if item is None or "deleted_at" in item:
            raise NotFoundError(f"model '{model}' has no version {version}")
        if "archived_at" in item:
            raise ConflictError(f"version {version} of '{model}' is archived: another version is expected")
        record = orjson.loads(item["record"])
        if not (record["status"] == _READY or allow_unready):
            raise ConflictError(
                f"version {version} of '{model}' has not passed its smoke test: a READY one is expected"
            )
        file = unpack_model(self._file(record["artifact"]), f"the file of version {version} of '{model}'")
        return LoadedModel(
            tenant=tenant,
            model=model,
            version=version,
            signature=self._signature(record),
            session=self._make_session(file),
            file_bytes=len(file),
        )

    def _signature(self, record: Mapping[str, Any]) -> Signature:
        """Read the signature from the record, or from a file if the signature was too large for the record."""
        file = record.get("signature_file")
        return Signature.from_dict(record["signature"] if file is None else orjson.loads(self._file(file)))

    def _file(self, artifact: Mapping[str, Any]) -> bytes:
        return read_artifact(self._artifacts, artifact["key"], artifact["sha256"])
