"""Read a small companion file of an upload, from the upload's folder or a folder above."""

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
    """Return the content of the nearest companion file; None if there is none.

    Args:
        upload: The uploaded file.
        uploads: The store that holds the file and its companions.
        names: Names that the companion may have, the usual one first.
        max_bytes: Size above which the companion is refused, before it is read.
        error: Class of the error for a companion that is too large.

    Raises:
        InputError: The companion is too large; raised as ``error``.
        UploadMismatchError: The companion's size or digest is not the announced one.
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
