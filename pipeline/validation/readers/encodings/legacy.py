"""Tell a legacy encoding by whether the words of a file are words of a language that is written in it.

A detector that goes by the frequency of bytes needs running text. A table has few accents among much ASCII, and such a
detector reads "Malmö" as Cyrillic or Hebrew; the alphabet of one language, whole words at a time, decides earlier. The
detector decides what alphabets leave open: between scripts without ASCII letters, and between East Asian encodings.
"""

from __future__ import annotations

import re

import chardet

from pipeline.validation.readers.encodings.alphabets import ALPHABETS, CODE_PAGES, CodePage
from pipeline.validation.readers.encodings.east_asian import score_east_asian
from pipeline.validation.readers.encodings.words import Word, rate_word, read_word

__all__ = ["find_legacy_codec"]

_WINDOWS_1252 = "cp1252"
_LATIN_1 = "latin-1"
_TOKEN = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_MAX_TOKENS = 3_000  # distinct ones; more tell nothing new
_MAX_BYTES = 1 << 20
_TIE = 0.03
_DOUBT = 0.6  # words; fewer do not outweigh that Windows-1252 is the most common by far
_WESTERN_PAGES = {page.codec for page in CODE_PAGES if page.region == "western"}
_LENT_SHARE = 0.5
_MIX_SHARE = 0.85  # all letters of a region fit too easily
_MIN_SCORE = 0.35  # of many words; fewer are read as Windows-1252
_MIN_TOKENS_TO_REFUSE = 10
_MIN_EAST_ASIAN = 0.75
_DETECTOR_NAMES = {"euc_jp": "euc_jis_2004", "cp950": "big5hkscs", "cp932": "shift_jis_2004"}
_CURRENCY = re.compile(rb"\d[ \xa0]?\xa4|\xa4[ \xa0]?\d|[(\[/]\xa4|\xa4[)\]/]")  # 0xA4 is the euro of ISO-8859-15


def find_legacy_codec(data: bytes) -> str:
    """Return the codec of text that is neither UTF-8 nor ASCII, or "" where no encoding fits."""
    tokens = _list_tokens(data)
    east_asian = score_east_asian(data[:_MAX_BYTES])
    scores = {page.codec: _score_page(page, tokens) for page in CODE_PAGES}
    best = max(scores.values())
    if east_asian and max(east_asian.values()) >= max(_MIN_EAST_ASIAN, best):
        return _choose(east_asian, tokens)
    if best < _MIN_SCORE:
        return "" if len(tokens) >= _MIN_TOKENS_TO_REFUSE else _fit_western(data)
    codec = _choose(scores, tokens)
    return _fit_western(data) if codec == _WINDOWS_1252 else codec


def _list_tokens(data: bytes) -> list[bytes]:
    """Return the distinct runs of letters and bytes beyond ASCII, in the order of the file."""
    tokens: dict[bytes, None] = {}
    for token in _TOKEN.finditer(data):
        tokens[token[0]] = None
        if len(tokens) >= _MAX_TOKENS:
            break
    return list(tokens)


def _score_page(page: CodePage, tokens: list[bytes]) -> float:
    """Return the share of ``tokens`` that are words of the language of ``page`` that has most of them.

    A word of the region's letters counts half: tables list foreign names.
    """
    words = [read_word(token.decode(page.codec, "replace")) for token in tokens]
    lent = [_rate_lent(word, page) for word in words]
    best = 0.0
    for language in page.languages:
        rates = (max(rate_word(word, ALPHABETS[language]), share) for word, share in zip(words, lent, strict=True))
        best = max(best, sum(rates))
    if page.region:
        best = max(best, sum(lent) * _MIX_SHARE / _LENT_SHARE)
    return best / len(words) - page.handicap


def _rate_lent(word: Word, page: CodePage) -> float:
    return _LENT_SHARE * rate_word(word, ALPHABETS[page.region]) if page.region else 0.0


def _choose(scores: dict[str, float], tokens: list[bytes]) -> str:
    best = max(scores.values())
    if scores.get(_WINDOWS_1252, 0.0) >= best - max(_TIE / 2, _DOUBT / len(tokens)):
        return _WINDOWS_1252
    tied = [codec for codec, score in scores.items() if score >= best - _TIE]
    if len(tied) == 1 or tied[0] in _WESTERN_PAGES:
        return tied[0]
    detected = chardet.detect(
        b" ".join(tokens),
        include_encodings=[_DETECTOR_NAMES.get(codec, codec) for codec in tied],
        no_match_encoding=_DETECTOR_NAMES.get(tied[0], tied[0]),
        compat_names=False,
    )["encoding"]
    return next((codec for codec in tied if _DETECTOR_NAMES.get(codec, codec) == detected), tied[0])


def _fit_western(data: bytes) -> str:
    """Return Windows-1252, or what has its letters and fits bytes that it lacks or shows as another character."""
    if not re.search(rb"[\x80-\x9f]", data) and _CURRENCY.search(data):
        return "iso8859-15"
    try:
        data.decode(_WINDOWS_1252)
    except UnicodeDecodeError:
        return _LATIN_1
    return _WINDOWS_1252
