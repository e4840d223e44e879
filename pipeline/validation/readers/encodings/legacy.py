"""Detect a legacy encoding by testing whether the words of a file fit a language that uses the encoding.

A statistical detector (chardet) uses the frequency of bytes and needs running text. A table has few accents in much
ASCII text, and the detector reads "Malmö" as Cyrillic or Hebrew. Comparing whole words with the alphabets of languages
needs less text. The detector decides where alphabets do not: between scripts without ASCII letters, and between East
Asian encodings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import chardet

from pipeline.validation.readers.encodings.alphabets import ALPHABETS, CODE_PAGES, COMMON_LETTERS, CodePage
from pipeline.validation.readers.encodings.east_asian import score_east_asian
from pipeline.validation.readers.encodings.words import rate_word, read_word

__all__ = ["find_legacy_codec"]

_WINDOWS_1252 = "cp1252"
_LATIN_1 = "iso8859-1"
_TOKEN = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_MAX_TOKENS = 3_000  # distinct tokens; more do not change the result
_MAX_BYTES = 1 << 20
_MIN_SCORE = 0.35  # minimum score of the best encoding
_MIN_TOKENS_TO_REFUSE = 10  # with so many tokens a lower score means that no encoding fits; fewer: Windows-1252
_MIN_EAST_ASIAN = 0.75
_TIE = 0.03
_COMMON_TIE = 0.08
_MIN_LETTERS = 12
_MIN_WORD_BYTES = 3
_NEIGHBOR_WEIGHT = 0.5  # weight of a word with letters of the region's other languages: tables list foreign names
_REGION_WEIGHT = 0.85  # weight of words by the letters of the whole region, which fit more easily than one language
# Minimum lead over Windows-1252, by far the most common encoding, in the mean rate of the words that differ.
_MIN_LEAD = 0.08
_LEAD_WORDS = 0.8  # divided by the number of these words; one suffices only if Windows-1252 makes no word of it
_MIN_DIFFERENT = 0.25
_DOUBT = 0.6
_MIN_CLEAR_LEAD = 0.4
_CURRENCY = re.compile(rb"\d[ \xa0]?\xa4|\xa4[ \xa0]?\d|[(\[/]\xa4|\xa4[)\]/]")  # 0xA4 is the euro sign in ISO-8859-15
_DETECTOR_NAMES = {"euc_jp": "euc_jis_2004", "cp950": "big5hkscs", "cp932": "shift_jis_2004"}


@dataclass(frozen=True, slots=True)
class _Reading:
    """The words of a file in one encoding, and how well each of them fits the best language."""

    page: CodePage
    texts: Sequence[str]
    rates: Sequence[float]

    @property
    def score(self) -> float:
        return sum(self.rates) / len(self.rates) - self.page.penalty


def find_legacy_codec(data: bytes) -> str:
    """Return the codec of text that is neither UTF-8 nor ASCII, or "" if no encoding fits."""
    tokens = _list_tokens(data)
    readings = [_read_tokens(page, tokens) for page in CODE_PAGES]
    best = max(readings, key=lambda reading: reading.score)
    east_asian = score_east_asian(data[:_MAX_BYTES])
    if east_asian and max(east_asian.values()) >= max(_MIN_EAST_ASIAN, best.score):
        top = max(east_asian.values())
        return _detect_with_chardet([codec for codec, score in east_asian.items() if score >= top - _TIE], tokens)
    if not any(len(token) >= _MIN_WORD_BYTES for token in tokens):
        return _fit_western(data)  # single letters fit every encoding
    if best.score < _MIN_SCORE:
        return "" if len(tokens) >= _MIN_TOKENS_TO_REFUSE else _fit_western(data)
    chosen = _break_tie(best, readings, tokens)
    return chosen.page.codec if _leads(chosen, readings[0]) else _fit_western(data)


def _list_tokens(data: bytes) -> list[bytes]:
    """Return the distinct runs of ASCII letters and non-ASCII bytes, in the order of the file."""
    tokens: dict[bytes, None] = {}
    for token in _TOKEN.finditer(data):
        tokens[token[0]] = None
        if len(tokens) >= _MAX_TOKENS:
            break
    return list(tokens)


def _read_tokens(page: CodePage, tokens: Sequence[bytes]) -> _Reading:
    texts = [token.decode(page.codec, "replace") for token in tokens]
    words = [read_word(text) for text in texts]
    region_rates = [rate_word(word, ALPHABETS[page.region]) if page.region else 0.0 for word in words]
    candidates = [[rate * _REGION_WEIGHT for rate in region_rates]]
    for language in page.languages:
        rates = [rate_word(word, ALPHABETS[language]) for word in words]
        pairs = zip(rates, region_rates, strict=True)
        candidates.append([max(rate, region_rate * _NEIGHBOR_WEIGHT) for rate, region_rate in pairs])
    return _Reading(page, texts, max(candidates, key=sum))


def _leads(reading: _Reading, rival: _Reading) -> bool:
    """Return whether ``reading`` fits clearly better than ``rival``, by the words that differ or by all words."""
    pairs = zip(reading.texts, rival.texts, reading.rates, rival.rates, strict=True)
    leads = [rate - rival_rate for text, rival_text, rate, rival_rate in pairs if text != rival_text]
    overall, count = reading.score - rival.score, len(reading.texts)
    if not leads or overall <= 0:
        return False
    lead = sum(leads) / len(leads) + rival.page.penalty - reading.page.penalty
    if lead > _MIN_LEAD + _LEAD_WORDS / len(leads) or overall > _MIN_CLEAR_LEAD:
        return True
    is_many = len(leads) >= _MIN_DIFFERENT * count  # a few differing words may be foreign names
    return is_many and lead >= 0 and overall > max(_TIE, _DOUBT / count)


def _break_tie(best: _Reading, readings: Sequence[_Reading], tokens: Sequence[bytes]) -> _Reading:
    """Return the first Western page that ``best`` does not clearly beat, or else the page that fits most words.

    Words of a script without ASCII letters fit each page of such a script. Among these pages the common letters of
    their languages decide, then the detector.
    """
    tied = [reading for reading in readings if reading.score >= best.score - _TIE and not _leads(best, reading)]
    western = [reading for reading in tied if reading.page.region == "western"]
    if western:
        return western[0]
    if ALPHABETS[best.page.languages[0]].is_latin:
        return max(tied, key=lambda reading: sum(reading.rates))
    fractions = [_measure_common_letters(reading) for reading in tied]
    common = [
        reading for reading, fraction in zip(tied, fractions, strict=True) if fraction >= max(fractions) - _COMMON_TIE
    ]
    codec = _detect_with_chardet([reading.page.codec for reading in common], tokens)
    texts = next(reading.texts for reading in common if reading.page.codec == codec)
    return next(reading for reading in common if reading.texts == texts)


def _measure_common_letters(reading: _Reading) -> float:
    """Return the highest fraction of common letters over the languages of the page."""
    text = "".join(reading.texts).lower()
    if len(text) < _MIN_LETTERS:
        return 1.0
    return max(
        sum(map(text.count, COMMON_LETTERS.get(language, ""))) / len(text) for language in reading.page.languages
    )


def _detect_with_chardet(candidates: Sequence[str], tokens: Sequence[bytes]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    names = {_DETECTOR_NAMES.get(codec, codec): codec for codec in candidates}
    detected = chardet.detect(
        b" ".join(tokens), include_encodings=list(names), no_match_encoding=next(iter(names)), compat_names=False
    )
    return names.get(str(detected["encoding"]), candidates[0])


def _fit_western(data: bytes) -> str:
    """Return Windows-1252, or a related encoding for the euro sign or for bytes that Windows-1252 lacks."""
    if not re.search(rb"[\x80-\x9f]", data) and _CURRENCY.search(data):
        return "iso8859-15"
    try:
        data.decode(_WINDOWS_1252)
    except UnicodeDecodeError:
        return _LATIN_1
    return _WINDOWS_1252
