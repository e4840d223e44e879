"""Load ONNX files from folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline.contracts.errors import IntegrityError, ModeldropError
from pipeline.contracts.signature import Signature
from pipeline.evaluation.stored_models import unpack_model
from pipeline.server.models.tensor_model import TensorModel, TensorSession
from pipeline.serving.loaded_model import LoadedModel

__all__ = ["LOCAL_TENANT", "FileStamp", "SessionFactory", "load_model_file", "stamp_file"]

LOCAL_TENANT = "local"  # tenant of models that come from files
_SIGNATURE = "signature.json"
SessionFactory = Callable[[bytes], TensorSession]


class FileStamp(NamedTuple):
    """Identity of a file's content: a changed file has another stamp.

    Attributes:
        path: The file.
        size: Size of the file in bytes.
        modified: Time of the last change, in nanoseconds since 1970.
        inode: Inode number, which changes if another file is renamed to this path.
    """

    path: Path
    size: int
    modified: int
    inode: int


def stamp_file(path: Path) -> FileStamp:
    """Return the stamp of a file.

    Raises:
        OSError: There is no such file.
    """
    status = path.stat()
    return FileStamp(path, status.st_size, status.st_mtime_ns, status.st_ino)


def load_model_file(path: Path, *, model: str, version: int, make_session: SessionFactory) -> LoadedModel:
    """Load an ONNX file, with the ``signature.json`` in the same folder if there is one.

    Args:
        path: The file: ONNX, or the packed form that the registry stores.
        model: Name of the model.
        version: Number of the version.
        make_session: Creates a session from the bytes of an ONNX file.

    Raises:
        IntegrityError: The file is missing, damaged, or not a model that onnxruntime can run.
    """
    try:
        content = unpack_model(path.read_bytes(), str(path))
        session = make_session(content)
        signature = _read_signature(path.with_name(_SIGNATURE))
        if signature is None:
            return TensorModel(
                tenant=LOCAL_TENANT, model=model, version=version, session=session, file_bytes=len(content)
            )
    except ModeldropError as error:
        raise IntegrityError(f"{path} cannot be served: {error}") from error
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} cannot be loaded: {str(error)[:300]}") from error
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):  # its native errors have no public base class
            raise IntegrityError(f"{path} is not a valid ONNX file: {str(error)[:300]}") from error
        raise
    return LoadedModel(
        tenant=LOCAL_TENANT,
        model=model,
        version=version,
        signature=signature,
        session=session,
        file_bytes=len(content),
    )


def _read_signature(path: Path) -> Signature | None:
    return Signature.from_dict(json.loads(path.read_bytes())) if path.exists() else None
