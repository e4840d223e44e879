"""Detect UTF-16 and UTF-32 without a byte-order mark by the positions of zero bytes."""

from __future__ import annotations

import codecs
import unicodedata

__all__ = ["decode_prefix", "find_wide_codec"]

_MIN_ZEROS_UTF_32 = 0.6  # minimum fraction of zero bytes; per four bytes ASCII text has three, other scripts two
_MIN_PAIRED_BREAKS = 0.6  # minimum fraction of line breaks with a zero as the other byte of the pair
_MIN_ALIGNED_ZEROS = 0.95
_MIN_READABLE = 0.98
_MAX_CHARACTERS = 100_000
_DELIMITERS = b"\n\r\t,;| 0123456789"


def find_wide_codec(data: bytes) -> str:
    """Return the codec of UTF-16 or UTF-32 text without a mark, or "" if ``data`` is neither."""
    if not data.count(0):
        return ""
    if data.count(0) >= _MIN_ZEROS_UTF_32 * len(data):
        for codec in ("utf-32-le", "utf-32-be"):
            if _is_readable(data, codec):
                return codec
    scores = {"utf-16-le": _score(data, 0), "utf-16-be": _score(data, 1)}
    codec = max(scores, key=lambda name: scores[name])
    return codec if scores[codec] >= _MIN_PAIRED_BREAKS and _is_readable(data, codec) else ""


def _score(data: bytes, low: int) -> float:
    """Return which fraction of ASCII line breaks at position ``low`` of a byte pair have a zero as the other byte.

    Without line breaks, delimiters and digits are counted instead.
    """
    size = len(data) // 2 * 2
    lows, highs = data[low:size:2], data[1 - low : size : 2]
    if highs.count(0) < _MIN_ALIGNED_ZEROS * data.count(0):
        return 0.0
    for characters in (b"\n", _DELIMITERS):
        zeros = [high == 0 for character, high in zip(lows, highs, strict=True) if character in characters]
        if zeros:
            return sum(zeros) / len(zeros)
    return 0.0


def _is_readable(data: bytes, codec: str) -> bool:
    text = decode_prefix(data[: 4 * _MAX_CHARACTERS], codec)
    if not text:
        return False
    unreadable = sum(not char.isspace() and unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") for char in text)
    return unreadable <= (1 - _MIN_READABLE) * len(text)


def decode_prefix(data: bytes, codec: str) -> str:
    """Return the text of ``data``, which may end within a character; "" if it is not in this encoding."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(data)
    except UnicodeError:
        return ""
