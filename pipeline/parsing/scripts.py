"""Writing systems (Unicode scripts) of texts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["find_script", "has_several_scripts"]

_MAX_TEXTS = 5_000
_MAX_LETTERS = 200  # characters of a text that are examined
_MIN_FRACTION = 0.1  # minimum fraction of texts in other scripts than the most frequent one; fewer are quotations
# First words of the Unicode names of letters that Japanese and Chinese texts mix.
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO", "IDEOGRAPHIC"})
_WIDTHS = frozenset({"HALFWIDTH", "FULLWIDTH"})


def has_several_scripts(texts: Iterable[str]) -> bool:
    """Return whether the first texts are written in several scripts; texts without letters do not count."""
    scripts: Counter[str] = Counter()
    for _, text in zip(range(_MAX_TEXTS), texts, strict=False):
        if script := find_script(text):
            scripts[script] += 1
    rows = scripts.total()
    return rows > 0 and max(scripts.values()) <= (1 - _MIN_FRACTION) * rows


def find_script(text: str) -> str:
    """Return the most frequent script of a text's first letters, as Unicode names it (LATIN); empty without letters."""
    scripts = Counter(script for letter in text[:_MAX_LETTERS] if (script := _script(letter)))
    return max(scripts, key=lambda script: (scripts[script], script), default="")


@lru_cache(maxsize=100_000)
def _script(letter: str) -> str:
    if not letter.isalpha():
        return ""
    words = unicodedata.name(letter, "").split()
    script = next((word for word in words if word not in _WIDTHS), "")
    return "CJK" if script in _EAST_ASIAN else script
