"""User metadata of uploads.

S3 transmits only ASCII; other text is an encoded word (RFC 2047), the form in which S3 itself returns it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header

__all__ = ["make_metadata", "read_target"]

_TARGET = "target"


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
        return target  # a column may bear such a name
