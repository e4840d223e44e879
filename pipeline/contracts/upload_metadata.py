"""User metadata of uploads.

S3 transmits only ASCII. Other text is sent as an encoded word (RFC 2047), the form in which S3 itself returns it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import NamedTuple

from pipeline.contracts.errors import UploadMismatchError

__all__ = ["Announced", "announce", "check_bytes", "check_sha256", "make_metadata", "read_announced", "read_target"]

_TARGET = "target"
_BYTES, _SHA256 = "announced-bytes", "announced-sha256"


class Announced(NamedTuple):
    """Size and digest that a request for a presigned upload stated for the file; None if it did not state them.

    Attributes:
        bytes: Size of the file.
        sha256: Digest of the file in hexadecimal.
    """

    bytes: int | None = None
    sha256: str | None = None


def announce(announced: Announced) -> dict[str, str]:
    """Return the metadata that hold the announced size and digest; they are signed, so no uploader can change them."""
    size = {} if announced.bytes is None else {_BYTES: str(announced.bytes)}
    return size | ({} if announced.sha256 is None else {_SHA256: announced.sha256})


def read_announced(metadata: Mapping[str, str]) -> Announced:
    """Read the announced size and digest; both are None for an object that was uploaded with AWS credentials."""
    size = metadata.get(_BYTES, "")
    return Announced(int(size) if size.isdecimal() else None, metadata.get(_SHA256) or None)


def check_bytes(name: str, metadata: Mapping[str, str], size: int) -> None:
    """Compare an object's size with the announced one.

    Raises:
        UploadMismatchError: The sizes differ.
    """
    announced = read_announced(metadata).bytes
    if announced is not None and size != announced:
        raise UploadMismatchError(f"'{name}' has {size:,} bytes: {announced:,} were announced for its upload")


def check_sha256(name: str, metadata: Mapping[str, str], sha256: Callable[[], str]) -> None:
    """Compare an object's digest with the announced one; ``sha256`` is called only if a digest was announced.

    Raises:
        UploadMismatchError: The digests differ.
    """
    announced = read_announced(metadata).sha256
    if announced is not None and sha256() != announced:
        raise UploadMismatchError(
            f"'{name}' does not have the sha256 that was announced for its upload: it was changed or damaged in transit"
        )


def make_metadata(target: str) -> dict[str, str]:
    """Return the metadata that name the target column."""
    if target.isascii() and target.isprintable():
        return {_TARGET: target}
    return {_TARGET: f"=?utf-8?b?{b64encode(target.encode()).decode()}?="}


def read_target(metadata: Mapping[str, str]) -> str:
    """Return the target column that the metadata name; empty if they name none."""
    target = metadata.get(_TARGET, "").strip()
    if not (target.startswith("=?") and target.endswith("?=")):
        return target
    try:
        return str(make_header(decode_header(target))).strip()
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return target  # a column's name may look like an encoded word
