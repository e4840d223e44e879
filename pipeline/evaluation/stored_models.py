"""Unpack stored artifacts into ONNX files."""

from __future__ import annotations

from pipeline.codec.unpack import unpack
from pipeline.contracts.errors import IntegrityError

__all__ = ["unpack_model"]


def unpack_model(stored: bytes, name: str) -> bytes:
    """Return the ONNX file of a stored artifact; an artifact that was stored unpacked is returned unchanged.

    Args:
        stored: The artifact's bytes, whose sha256 is recorded.
        name: Name of the artifact in the error message.

    Raises:
        IntegrityError: The bytes are damaged.
    """
    try:
        return unpack(stored)
    except ValueError as error:
        raise IntegrityError(f"{name} cannot be unpacked: {error}") from error
