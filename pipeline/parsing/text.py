"""Normalize texts for comparison: strip invisible characters, compose letters. Standard library only."""

from __future__ import annotations

from itertools import groupby

__all__ = ["BLANKS", "clean_text", "strip_text"]

# White space and invisible characters (soft hyphens, zero widths, directions, byte order marks), which spreadsheets and
# web pages leave around values and names.
BLANKS = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\xad\u061c\u180e"
)
_SHORT = 1000  # characters; shorter texts are composed without counting marks
_MAX_MARKS = 30  # combining marks per letter, as in Unicode's stream-safe format: sorting them takes quadratic time


def strip_text(text: str) -> str:
    """Remove white space and invisible characters from both ends."""
    return text.strip() if text.isascii() else text.strip(BLANKS)


def clean_text(text: str) -> str:
    """Strip ``text`` and compose its letters (NFC), so that é is one letter however it was typed."""
    if text.isascii():
        return text.strip()
    from unicodedata import normalize  # noqa: PLC0415 - imported only when a text needs it, for the cold start

    text = text.strip(BLANKS)
    return text if _is_overmarked(text) else normalize("NFC", text)


def _is_overmarked(text: str) -> bool:
    """Return whether a long text has more combining marks on a letter than any language has; it is not composed."""
    if len(text) <= _SHORT:
        return False
    from unicodedata import combining  # noqa: PLC0415 - as above

    runs = groupby(map(combining, text), bool)
    return any(sum(1 for _ in marks) > _MAX_MARKS for is_mark, marks in runs if is_mark)
