"""Read immutable files of the artifacts bucket. Standard library only: predict imports this on a cold start."""

from __future__ import annotations

import hashlib
from typing import Protocol

from pipeline.contracts.errors import IntegrityError, ObjectNotFoundError

__all__ = ["read_artifact"]


class _Objects(Protocol):
    def get(self, key: str) -> bytes: ...


def read_artifact(artifacts: _Objects, key: str, sha256: str) -> bytes:
    """Read an artifact and verify its hash.

    Args:
        artifacts: Bucket that holds the artifact.
        key: Key of the artifact.
        sha256: Expected hash in hex, from the record that refers to the artifact.

    Raises:
        IntegrityError: The object is missing, or its content has another hash.
    """
    try:
        file = artifacts.get(key)
    except ObjectNotFoundError as error:  # a record refers to it, so the request is not wrong
        raise IntegrityError(f"the artifact {key} is missing") from error
    if hashlib.sha256(file).hexdigest() != sha256:
        raise IntegrityError(f"the artifact {key} does not have its registered sha256")
    return file
