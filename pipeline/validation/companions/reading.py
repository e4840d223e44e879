"""Read a small companion file of an upload: one that stands in its folder, or in a folder above it."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.errors import InputError, ObjectNotFoundError
from pipeline.contracts.object_keys import parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Upload

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
        error: What to raise for a file that is too large.

    Raises:
        InputError: The file is too large; of the type ``error``.
    """
    for key in (folder + name for folder in parse_upload_key(upload.key).folders for name in names):
        try:
            size = uploads.head(key).bytes
        except ObjectNotFoundError:
            continue
        if size > max_bytes:
            raise error(f"{names[0]} has {size:,} bytes: at most {max_bytes:,} are expected")
        return uploads.get(key)
    return None
