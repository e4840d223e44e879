"""Detect the encoding of a file from its first bytes: a byte-order mark, zero bytes, valid UTF-8, or its words."""

from __future__ import annotations

import codecs
import re

from pipeline.validation.readers.encodings.legacy import find_legacy_codec
from pipeline.validation.readers.encodings.names import UTF_8, TextEncoding, name_encoding
from pipeline.validation.readers.encodings.wide import decode_prefix, find_wide_codec

__all__ = ["MARKS", "detect_encoding", "is_binary"]

# UTF-32 LE precedes UTF-16 LE, whose mark is the beginning of the mark of UTF-32 LE.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_CONTROLS = bytes(sorted({*range(0x20), 0x7F} - set(b"\0\t\n\v\f\r\x1a\x1b\x1c\x1d\x1e\x1f")))
_MAX_CONTROLS = 0.01  # maximum fraction of control characters in text; compressed data has 8 %
_MIN_SEQUENCE = 2  # bytes of the shortest non-ASCII character in UTF-8
_HIGH_WORD = re.compile(rb"[^\x00-\x40]*[\x80-\xff][^\x00-\x40]*")
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]")


def detect_encoding(head: bytes, *, is_complete: bool) -> TextEncoding | None:
    """Return the encoding of the text that begins with ``head``.

    UTF-8 with a few broken lines or NUL bytes is still UTF-8.

    Args:
        head: The first bytes of the file, or samples of it.
        is_complete: Whether ``head`` is the whole file, so that an incomplete character at its end is an error.

    Returns:
        The encoding; None if the bytes are not text, or fit no encoding.
    """
    for mark, codec in MARKS.items():
        if head.startswith(mark) and codec != "utf-8":
            return name_encoding(codec, has_mark=True)
    has_mark = head.startswith(codecs.BOM_UTF8)
    data = head.removeprefix(codecs.BOM_UTF8)
    if codec := find_wide_codec(data):
        return name_encoding(codec)
    if is_binary(data):
        return None
    if not is_complete:
        data = data[: data.rfind(b"\n") + 1 or len(data)]
    codec = _find_narrow_codec(data.replace(b"\0", b""), is_complete=is_complete)
    return name_encoding(codec, has_mark=has_mark) if codec else None


def _find_narrow_codec(data: bytes, *, is_complete: bool) -> str:
    if data.isascii():
        is_japanese = _ISO_2022_JP.search(data) and decode_prefix(data, "iso2022_jp")
        return "iso2022_jp" if is_japanese else UTF_8.codec
    if _is_utf_8(data, is_complete=is_complete):
        return UTF_8.codec
    return find_legacy_codec(data)


def is_binary(data: bytes) -> bool:
    """Return whether ``data`` has more control characters than text has, or only NUL bytes."""
    controls = len(data) - len(data.translate(None, _CONTROLS))
    return controls > _MAX_CONTROLS * len(data) or (bool(data) and not data.strip(b"\0"))


def _is_utf_8(data: bytes, *, is_complete: bool) -> bool:
    """Return whether ``data`` is UTF-8, possibly with words that were damaged or pasted from another encoding.

    A word in another encoding is valid UTF-8 only by chance, so it is UTF-8 if most non-ASCII words are valid.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, is_complete)
    except UnicodeDecodeError:
        words = set(_HIGH_WORD.findall(data))
        valid = [word for word in words if _is_valid(word)]
        broken = len(words) - len(valid)
        # A Chinese character in another encoding can be such a short sequence.
        is_chance = all(len(word) == _MIN_SEQUENCE for word in valid)
        return len(valid) > broken or (len(valid) == broken and not is_chance)
    return True


def _is_valid(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True
