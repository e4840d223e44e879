"""Score how likely a text is Japanese, Chinese or Korean in each East Asian encoding."""

from __future__ import annotations

import re

from pipeline.validation.readers.encodings.wide import decode_prefix

__all__ = ["score_east_asian"]

_CODECS = ("cp932", "euc_jp", "gb18030", "cp950", "cp949")
# Codec -> national standard that orders characters by frequency, and the lead bytes of the common ones in it.
_COMMON = {
    "cp932": ("euc_jp", range(0xA1, 0xD0)),
    "euc_jp": ("euc_jp", range(0xA1, 0xD0)),
    "gb18030": ("gb2312", range(0xA1, 0xD8)),
    "cp950": ("big5", range(0xA1, 0xC7)),
    "cp949": ("euc_kr", range(0xA1, 0xC9)),
}
_WORD = re.compile(r"[A-Za-z]*[^\x00-\x7f][A-Za-z\u0080-\U0010ffff]*")
_MIXED = re.compile(r"[A-Za-z][\u2010-\u2fff\u3400-\u9fff]|[\u2010-\u2fff\u3400-\u9fff][A-Za-z]")
_KANA = re.compile(r"[\u3041-\u30fe]{2}")
_WIDE = re.compile(r"[\uff01-\uff5e]")  # full-width ASCII, which bytes of other encodings form by chance
_PAIR = re.compile(r"[\u3041-\u9fff\uac00-\ud7a3]{2}")  # a degree sign and a letter can form only a single character
_MIN_KANA_WORDS = 0.02
_MIN_CHARACTERS = 15
_TIE = 0.05
_MIN_HANGUL_WORDS = 0.9
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_HAN = re.compile(r"[\u3400-\u9fff]")


def score_east_asian(data: bytes) -> dict[str, float]:
    """Return the fraction of common characters for each encoding that ``data`` is valid in."""
    words = {codec: set(_WORD.findall(decode_prefix(data, codec))) for codec in _CODECS}
    scores = {codec: _score(codec, words[codec]) for codec in _CODECS if words[codec]}
    korean, japanese = words["cp949"], words["euc_jp"]
    is_korean = _measure(korean, _HANGUL) >= _MIN_HANGUL_WORDS and _measure(korean, _HAN) <= 1 - _MIN_HANGUL_WORDS
    if is_korean and scores["cp949"] >= max(scores.values()) - _TIE:
        return {"cp949": scores["cp949"]}
    if _measure(japanese, _KANA) >= _MIN_KANA_WORDS:  # GB18030 can encode kana too, but Chinese text has none
        return {codec: score for codec, score in scores.items() if codec in ("cp932", "euc_jp")}
    is_long = len(set("".join(japanese))) >= _MIN_CHARACTERS
    if is_long and scores["euc_jp"] >= max(scores.values()) - _TIE:
        # If Chinese text is read as Japanese, a quarter of the characters are rare.
        return {"euc_jp": scores["euc_jp"]}
    return scores


def _measure(words: set[str], pattern: re.Pattern[str]) -> float:
    return sum(bool(pattern.search(word)) for word in words) / len(words) if words else 0.0


def _score(codec: str, words: set[str]) -> float:
    standard, leads = _COMMON[codec]
    characters = [char for word in words for char in word if ord(char) > 0x7F and not _WIDE.match(char)]
    if not characters or not any(_PAIR.search(word) for word in words):
        return 0.0
    common = sum(_is_common(char, standard, leads) for char in characters)
    return common / len(characters) * (1 - _measure(words, _MIXED))


def _is_common(char: str, standard: str, leads: range) -> bool:
    encoded = char.encode(standard, "ignore")
    return (
        len(encoded) == 2
        and encoded[0] in leads
        and char != "\N{KATAKANA MIDDLE DOT}"
        and not "\uff61" <= char <= "\uff9f"
    )
