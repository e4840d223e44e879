"""A registered version -> a model that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnxruntime
import orjson

from pipeline.contracts.artifacts import read_artifact
from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.contracts.ports import ObjectStore, Table
from pipeline.contracts.signature import Signature
from pipeline.contracts.table_keys import alias_key, version_key
from pipeline.evaluation.sessions import WideSession
from pipeline.evaluation.stored_models import unpack_model
from pipeline.serving.loaded_model import InferenceSession, LoadedModel

__all__ = ["ModelLoader", "onnx_session"]

_LIVE = "live"
_READY = "READY"
_ERRORS_ALONE = 3  # onnxruntime warns of machines that have no GPU


def onnx_session(threads: int) -> Callable[[bytes], InferenceSession]:
    """Makes sessions that use ``threads`` threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ALONE

    def make(file: bytes) -> InferenceSession:
        session: InferenceSession = WideSession(file, options, providers=["CPUExecutionProvider"])
        return session

    return make


class ModelLoader:
    """Reads the registry's table itself: its records are JSON, and pydantic is not on the way of a prediction.

    A file goes as bytes straight into its session: no disk to fill, and no copy that was not checked.
    """

    def __init__(self, table: Table, artifacts: ObjectStore, make_session: Callable[[bytes], InferenceSession]) -> None:
        self._table = table
        self._artifacts = artifacts
        self._make_session = make_session

    def live_version(self, tenant: str, model: str) -> int:
        """Raise NotFoundError when the tenant has no such model, or none of its versions is live."""
        item = self._table.get(*alias_key(tenant, model, _LIVE))
        if item is None:
            raise NotFoundError(f"there is no live model '{model}'")
        version: int = item["version"]
        return version

    def load(self, tenant: str, model: str, version: int, *, unproven: bool = False) -> LoadedModel:
        """Raise NotFoundError when the tenant has no such version, IntegrityError when its file is gone or changed.

        Raises ConflictError when it has not passed its smoke test, unless ``unproven`` ones are welcome.
        """
        item = self._table.get(*version_key(tenant, model, version))
        if item is None:
            raise NotFoundError(f"model '{model}' has no version {version}")
        record = orjson.loads(item["record"])
        if not (record["status"] == _READY or unproven):
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
        """From the record, or from the file that it names: that of a wide table does not fit in a record."""
        file = record.get("signature_file")
        return Signature.from_dict(record["signature"] if file is None else orjson.loads(self._file(file)))

    def _file(self, artifact: Mapping[str, Any]) -> bytes:
        return read_artifact(self._artifacts, artifact["key"], artifact["sha256"])
