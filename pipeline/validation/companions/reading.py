"""Read a small companion file of an upload, from its folder or one above it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pipeline.contracts.errors import InputError, ObjectNotFoundError
from pipeline.contracts.object_keys import parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Upload
from pipeline.contracts.upload_metadata import check_bytes, check_sha256

__all__ = ["read_companion"]


def read_companion(
    upload: Upload, uploads: ObjectStore, names: Sequence[str], *, max_bytes: int, error: type[InputError]
) -> bytes | None:
    """Return the content of the nearest companion file; None where there is none.

    Args:
        upload: The uploaded file.
        uploads: The store that holds it and its companions.
        names: Names the file may have, the usual one first.
        max_bytes: Size above which the file is refused, before it is read.
        error: Class of the error for a file that is too large.

    Raises:
        InputError: The file is too large; raised as ``error``.
        UploadMismatchError: It is not the file that was announced.
    """
    for key in (folder + name for folder in parse_upload_key(upload.key).folders for name in names):
        try:
            info = uploads.head(key)
        except ObjectNotFoundError:
            continue
        if info.bytes > max_bytes:
            raise error(f"{names[0]} has {info.bytes:,} bytes: at most {max_bytes:,} are expected")
        content = uploads.get(key)
        check_bytes(names[0], info.metadata, len(content))
        check_sha256(names[0], info.metadata, hashlib.sha256(content).hexdigest)
        return content
    return None
