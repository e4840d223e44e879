"""Tell a legacy encoding by whether the words of a file are words of a language that is written in it.

A detector that goes by the frequency of bytes needs running text. A table has few accents among much ASCII, and such a
detector reads "Malmö" as Cyrillic or Hebrew; the alphabet of one language, whole words at a time, decides earlier. The
detector decides what alphabets leave open: between scripts without ASCII letters, and between East Asian encodings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import chardet

from pipeline.validation.readers.encodings.alphabets import ALPHABETS, CODE_PAGES, CodePage
from pipeline.validation.readers.encodings.east_asian import score_east_asian
from pipeline.validation.readers.encodings.words import rate_word, read_word

__all__ = ["find_legacy_codec"]

_WINDOWS_1252 = "cp1252"
_LATIN_1 = "latin-1"
_TOKEN = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_MAX_TOKENS = 3_000  # distinct ones; more tell nothing new
_MAX_BYTES = 1 << 20
_MIN_SCORE = 0.35  # of many words; fewer are read as Windows-1252
_MIN_TOKENS_TO_REFUSE = 10
_MIN_EAST_ASIAN = 0.75
_TIE = 0.03
_LENT_SHARE = 0.5  # what a word of a neighbor's letters counts: tables list foreign names
_REGION_SHARE = 0.85  # what it counts where no single language fits: all letters of a region fit too easily
# How much better the words that Windows-1252 shows otherwise must fit: it is the most common encoding by far.
_MIN_LEAD = 0.08
_LEAD_WORDS = 0.8  # of a word more; a single one outweighs that only where Windows-1252 cannot have it
_MIN_DIFFERENT = 0.25
_DOUBT = 0.6
_MIN_CLEAR_LEAD = 0.4
_CURRENCY = re.compile(rb"\d[ \xa0]?\xa4|\xa4[ \xa0]?\d|[(\[/]\xa4|\xa4[)\]/]")  # 0xA4 is the euro of ISO-8859-15
_WESTERN_PAGES = {page.codec for page in CODE_PAGES if page.region == "western"}
_DETECTOR_NAMES = {"euc_jp": "euc_jis_2004", "cp950": "big5hkscs", "cp932": "shift_jis_2004"}


@dataclass(frozen=True, slots=True)
class _Reading:
    """The words of a file in one encoding, and how well each fits the language that fits best."""

    page: CodePage
    texts: Sequence[str]
    rates: Sequence[float]

    @property
    def score(self) -> float:
        return sum(self.rates) / len(self.rates) - self.page.handicap


def find_legacy_codec(data: bytes) -> str:
    """Return the codec of text that is neither UTF-8 nor ASCII, or "" where no encoding fits."""
    tokens = _list_tokens(data)
    readings = [_read_tokens(page, tokens) for page in CODE_PAGES]
    best = max(reading.score for reading in readings)
    east_asian = score_east_asian(data[:_MAX_BYTES])
    if east_asian and max(east_asian.values()) >= max(_MIN_EAST_ASIAN, best):
        return _break_tie(east_asian, tokens)
    if best < _MIN_SCORE:
        return "" if len(tokens) >= _MIN_TOKENS_TO_REFUSE else _fit_western(data)
    codec = _break_tie({reading.page.codec: reading.score for reading in readings}, tokens)
    chosen = next(reading for reading in readings if reading.page.codec == codec)
    western = next(reading for reading in readings if reading.page.codec == _WINDOWS_1252)
    return codec if _leads(chosen, western) else _fit_western(data)


def _list_tokens(data: bytes) -> list[bytes]:
    """Return the distinct runs of letters and bytes beyond ASCII, in the order of the file."""
    tokens: dict[bytes, None] = {}
    for token in _TOKEN.finditer(data):
        tokens[token[0]] = None
        if len(tokens) >= _MAX_TOKENS:
            break
    return list(tokens)


def _read_tokens(page: CodePage, tokens: Sequence[bytes]) -> _Reading:
    texts = [token.decode(page.codec, "replace") for token in tokens]
    words = [read_word(text) for text in texts]
    lent = [rate_word(word, ALPHABETS[page.region]) if page.region else 0.0 for word in words]
    candidates = [[share * _REGION_SHARE for share in lent]]
    for language in page.languages:
        rates = [rate_word(word, ALPHABETS[language]) for word in words]
        candidates.append([max(rate, share * _LENT_SHARE) for rate, share in zip(rates, lent, strict=True)])
    return _Reading(page, texts, max(candidates, key=sum))


def _leads(reading: _Reading, western: _Reading) -> bool:
    """Return whether ``reading`` fits clearly better than Windows-1252, by the words that differ or by all words."""
    pairs = zip(reading.texts, western.texts, reading.rates, western.rates, strict=True)
    leads = [rate - western_rate for text, western_text, rate, western_rate in pairs if text != western_text]
    overall = reading.score - western.score
    if not leads or overall <= 0:
        return False
    lead, count = sum(leads) / len(leads) - reading.page.handicap, len(reading.texts)
    if lead > _MIN_LEAD + _LEAD_WORDS / len(leads) or overall > _MIN_CLEAR_LEAD:
        return True
    is_many = len(leads) >= _MIN_DIFFERENT * count  # few are foreign names
    return is_many and lead >= 0 and overall > max(_TIE, _DOUBT / count)


def _break_tie(scores: dict[str, float], tokens: Sequence[bytes]) -> str:
    best = max(scores.values())
    tied = [codec for codec, score in scores.items() if score >= best - _TIE]
    if len(tied) == 1 or tied[0] in _WESTERN_PAGES:
        return tied[0]
    names = {_DETECTOR_NAMES.get(codec, codec): codec for codec in tied}
    detected = chardet.detect(
        b" ".join(tokens), include_encodings=list(names), no_match_encoding=next(iter(names)), compat_names=False
    )
    return names.get(str(detected["encoding"]), tied[0])


def _fit_western(data: bytes) -> str:
    """Return Windows-1252, or what has its letters and fits bytes that it lacks or shows as another character."""
    if not re.search(rb"[\x80-\x9f]", data) and _CURRENCY.search(data):
        return "iso8859-15"
    try:
        data.decode(_WINDOWS_1252)
    except UnicodeDecodeError:
        return _LATIN_1
    return _WINDOWS_1252
