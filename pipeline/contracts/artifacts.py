"""Reading an immutable file of the artifacts bucket. Standard library only: predict loads it on a cold start."""

from __future__ import annotations

import hashlib

from pipeline.contracts.errors import IntegrityError, ObjectNotFoundError
from pipeline.contracts.ports import ObjectStore

__all__ = ["read_artifact"]


def read_artifact(artifacts: ObjectStore, key: str, sha256: str) -> bytes:
    """Return the object's bytes; raise IntegrityError when it is gone, or its sha256 is not the recorded one."""
    try:
        file = artifacts.get(key)
    except ObjectNotFoundError as error:  # no mistake of the caller's: a record names it
        raise IntegrityError(f"the artifact {key} is gone") from error
    if hashlib.sha256(file).hexdigest() != sha256:
        raise IntegrityError(f"the artifact {key} does not have the sha256 that was registered")
    return file
