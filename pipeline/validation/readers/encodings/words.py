"""Rate whether a decoded word could be a word of a language."""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass

from pipeline.validation.readers.encodings.alphabets import Alphabet

__all__ = ["Word", "rate_word", "read_word"]

_WEAK = 0.9  # rate of a quotation mark, degree sign or single letter: plausible, but weaker evidence than a word
_DOUBTFUL = 0.6  # rate of an unlikely spelling
_JOINED = 0.5  # rate of a word in two scripts, such as a brand with an ending
_OPENING = "“„‚‘’‹«¿¡°±§€£¥©–—•·×µ´\xa0"
_CLOSING = "”“’‘‹›»…™®°–—•·€£´\xa0"
_UNIT = re.compile(r"^(?:([kcdm]?m|ft|in|s)[²³]|[nN]º|[²³¹ªº±ø×µ¼½¾]+)$")
_SEPARATOR = re.compile(r"[’´\xa0]|·(?=[lL])|[–—](?=[A-ZÀ-Þ])")
_UNASSIGNED = ("Cc", "Cn", "Co")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MAX_LATIN_RUN = 4  # maximum non-ASCII letters in a row, as in "žáří"; a longer run is a word in another script
_MIN_FOREIGN_WORD = 3


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its non-ASCII ``letters``. ``is_broken``: no language has such a spelling."""

    text: str = ""
    letters: frozenset[str] = frozenset()
    has_ascii: bool = False
    longest_run: int = 0  # length of the longest run of non-ASCII letters
    is_broken: bool = False


def read_word(text: str) -> Word:
    """Analyze ``text``, a run of letters and non-ASCII characters."""
    if any(char == _REPLACEMENT or unicodedata.category(char) in _UNASSIGNED for char in text):
        return Word(is_broken=True)
    if _UNIT.match(text):
        return Word()
    pieces = [piece for piece in _SEPARATOR.split(text.lstrip(_OPENING).rstrip(_CLOSING)) if piece]
    if not all(map(_is_spelled, pieces)):
        return Word(is_broken=True)
    letters = "".join(pieces)
    runs = re.findall(r"[^\x00-\x7f]+", letters)
    return Word(
        text=text if "\xa0" in text.strip("\xa0") else " ".join(pieces),
        letters=frozenset("".join(runs)),
        has_ascii=len("".join(runs)) < len(letters),
        longest_run=max(map(len, runs), default=0),
    )


def _is_spelled(piece: str) -> bool:
    """Return whether ``piece`` has only letters, in lower case, in upper case, or with an initial capital."""
    if not all(char.isalpha() or unicodedata.category(char) == "Mn" for char in piece):
        return False
    for before, char in itertools.pairwise(piece):
        is_capital_inside = before.islower() and char.isupper()
        if is_capital_inside and not (before.isascii() and char.isascii()):
            return False
    upper = sum(map(str.isupper, piece))
    has_lower_inside = any(char.islower() and not char.isascii() and char != "ß" for char in piece)
    return not (has_lower_inside and upper >= 2 and upper >= len(piece) - 2 and piece[:2].isupper())


def rate_word(word: Word, alphabet: Alphabet) -> float:
    """Return 1 for a word with letters only of ``alphabet``, less for a doubtful word, 0 if a letter is not in it."""
    if word.is_broken or not word.letters <= alphabet.letters:
        return 0.0
    if not word.letters or (not word.has_ascii and word.longest_run < _MIN_FOREIGN_WORD):
        return _WEAK
    is_unlikely = alphabet.unlikely is not None and alphabet.unlikely.search(word.text) is not None
    return _rate_latin(word, is_unlikely) if alphabet.is_latin else _rate_other(word, is_unlikely)


def _rate_latin(word: Word, is_unlikely: bool) -> float:
    if "\xa0" in word.text:
        return _DOUBTFUL  # this byte is the letter á in DOS code pages
    return float(word.has_ascii and word.longest_run <= _MAX_LATIN_RUN and not is_unlikely)


def _rate_other(word: Word, is_unlikely: bool) -> float:
    if word.has_ascii:
        return _JOINED * (word.longest_run >= _MIN_FOREIGN_WORD)
    return _DOUBTFUL if is_unlikely else 1.0
