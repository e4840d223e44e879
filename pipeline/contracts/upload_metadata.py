"""User metadata of uploads.

S3 transmits only ASCII; other text is an encoded word (RFC 2047), the form in which S3 itself returns it.
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
    """What the request for a presigned upload announced of the file; None where it announced nothing.

    Attributes:
        bytes: Size.
        sha256: Digest in hexadecimal.
    """

    bytes: int | None = None
    sha256: str | None = None


def announce(announced: Announced) -> dict[str, str]:
    """Return the metadata that record what was announced; they are signed, so that no uploader can change them."""
    size = {} if announced.bytes is None else {_BYTES: str(announced.bytes)}
    return size | ({} if announced.sha256 is None else {_SHA256: announced.sha256})


def read_announced(metadata: Mapping[str, str]) -> Announced:
    """Return what the metadata say was announced; nothing of an object that was uploaded with credentials."""
    size = metadata.get(_BYTES, "")
    return Announced(int(size) if size.isdecimal() else None, metadata.get(_SHA256) or None)


def check_bytes(name: str, metadata: Mapping[str, str], size: int) -> None:
    """Compare an object's size with the announced one.

    Raises:
        UploadMismatchError: They differ.
    """
    announced = read_announced(metadata).bytes
    if announced is not None and size != announced:
        raise UploadMismatchError(f"'{name}' has {size:,} bytes: {announced:,} were announced for its upload")


def check_sha256(name: str, metadata: Mapping[str, str], sha256: Callable[[], str]) -> None:
    """Compare an object's digest with the announced one; ``sha256`` is called only if one was.

    Raises:
        UploadMismatchError: They differ.
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
        return target  # a column may have such a name
