"""The non-ASCII letters of each language, and the legacy code pages for these languages."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["ALPHABETS", "CODE_PAGES", "COMMON_LETTERS", "Alphabet", "CodePage"]


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The non-ASCII ``letters`` of a language, in both cases. ``is_latin``: words mix them with ASCII letters."""

    letters: frozenset[str]
    is_latin: bool
    unlikely: re.Pattern[str] | None = None  # spellings that the language does not have


@dataclass(frozen=True, slots=True)
class CodePage:
    """A single-byte encoding. If several fit equally well, the first one in ``CODE_PAGES`` is used."""

    codec: str
    languages: tuple[str, ...]
    region: str = ""  # name of the alphabet with the letters of all languages of the region
    penalty: float = 0.0  # subtracted from the score, for rare encodings


_LATIN = {
    "afrikaans": "áèéêëîïôöûü",
    "albanian": "çë",
    "catalan": "àçèéíïòóúü",
    "croatian": "čćđšž",
    "czech": "áčďéěíňóřšťúůýž",
    "danish": "åæéø",
    "dutch": "èéêëïöü",
    "estonian": "äõöšüž",
    "finnish": "åäöšž",
    "french": "àâæçèéêëîïôùûüœÿ",
    "german": "äöüß",
    "hungarian": "áéíóöőúüű",
    "icelandic": "áæéíðóöúýþ",
    "irish": "áéíóú",
    "italian": "àèéìíîòóùú",
    "latvian": "āčēģīķļņšūž",
    "lithuanian": "ąčėęįšūųž",
    "norwegian": "åæéèêòóôø",
    "polish": "ąćęłńóśźż",
    "portuguese": "àáâãçéêíóôõúü",
    "romanian": "âîăşţ",
    "slovak": "áäčďéíĺľňóôŕšťúýž",
    "slovenian": "čšž",
    "spanish": "áéíñóúü",
    "swedish": "åäéöü",
    "turkish": "âçöüğış",
    "vietnamese": "àáâãèéêìíòóôõùúýăđơư\u0300\u0301\u0303\u0309\u0323",
}
# These are two thirds of the letters of a text, in either case, but only one third if its encoding is wrong.
COMMON_LETTERS = {
    "arabic": "اليمنوترةب",
    "belarusian": "анаіорестлк",
    "bulgarian": "аоиетнрсвл",
    "greek": "αοιετσςνηυρκόίά",
    "hebrew": "יוהלארתבשמ",
    "macedonian": "аоиетнрсвк",
    "russian": "оеаинтсрвл",
    "serbian": "аоиенрсјтк",
    "thai": "านรอกเงมยลวด่",
    "ukrainian": "оаніирвтек",
}
# A byte can be different letters in two encodings. The letters around it show a wrong encoding: "Toruñ" is Polish,
# "Brãila" Romanian.
_DIAERESIS = r"(?<![aeiouy])ï"
_N_TILDE = r"ñ(?![aeiouáéíóú])"
_TILDE = r"ã(?![eos]|$)|(?<![hmç])ã$|õ(?!e)"
_NO_ACCENT = r"^[α-ω]{4,}$|ς\B|σ\b"  # a lower-case Greek word has an accent
_UNLIKELY = {
    "afrikaans": _DIAERESIS,
    "catalan": _DIAERESIS,
    "dutch": _DIAERESIS,
    "french": _DIAERESIS,
    "icelandic": r"\bð|þ\b|\w{3}ý\b|(?<![aeiouyáéíóúýæörgfmlb])ð",
    "portuguese": _TILDE,
    "spanish": _N_TILDE,
    "western": rf"{_DIAERESIS}|{_N_TILDE}|{_TILDE}",
}
_OTHER = {
    "arabic": "ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوىيپچژگکی" + "".join(map(chr, range(0x64B, 0x653))),
    "belarusian": "абвгдежзйклмнопрстуфхцчшыьэюяёіў",
    "bulgarian": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "greek": "αβγδεζηθικλμνξοπρςστυφχψωάέήίόύώϊϋΐΰ",
    "hebrew": "אבגדהוזחטיךכלםמןנסעףפץצקרשת" + "".join(map(chr, range(0x5B0, 0x5C3))),
    "macedonian": "абвгдежзиклмнопрстуфхцчшѓѕјљњќџ",
    "russian": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "serbian": "абвгдежзиклмнопрстуфхцчшђјљњћџ",
    "thai": "".join(map(chr, [*range(0xE01, 0xE3B), *range(0xE40, 0xE50)])),
    "ukrainian": "абвгдежзийклмнопрстуфхцчшщьюяєіїґ",
}
_WESTERN = "àáâãäåæçèéêëìíîïñòóôõöøùúûüßœ"
_CENTRAL = "áâäçéëíîóôöúüýßąćčďđęěłńňőŕřśšťůűźżžşţăĺľ"
_WESTERN_LANGUAGES = (
    "german", "french", "spanish", "portuguese", "italian", "catalan", "dutch", "swedish", "danish", "norwegian",
    "finnish", "icelandic", "estonian", "irish", "albanian", "afrikaans",
)  # fmt: skip
_CENTRAL_LANGUAGES = ("czech", "polish", "hungarian", "slovak", "croatian", "slovenian", "romanian")
_BALTIC_LANGUAGES = ("lithuanian", "latvian", "estonian")
_CYRILLIC_LANGUAGES = ("russian", "ukrainian", "bulgarian", "serbian", "macedonian", "belarusian")


def _add_upper_case(letters: str) -> frozenset[str]:
    upper = {letter.upper() for letter in letters if len(letter.upper()) == 1}
    return frozenset(unicodedata.normalize("NFC", letters)) | upper


def _make_alphabets() -> dict[str, Alphabet]:
    alphabets = {name: _make_latin(name, letters) for name, letters in _LATIN.items()}
    alphabets |= {name: Alphabet(_add_upper_case(letters), is_latin=False) for name, letters in _OTHER.items()}
    alphabets["turkish"] = Alphabet(_add_upper_case(_LATIN["turkish"]) | {"İ"}, is_latin=True)
    alphabets["greek"] = Alphabet(_add_upper_case(_OTHER["greek"]), is_latin=False, unlikely=re.compile(_NO_ACCENT))
    alphabets["western"] = _make_latin("western", _WESTERN)
    alphabets["central"] = _make_latin("central", _CENTRAL)
    return alphabets


def _make_latin(name: str, letters: str) -> Alphabet:
    pattern = _UNLIKELY.get(name)
    unlikely = re.compile(pattern, re.IGNORECASE) if pattern else None
    return Alphabet(_add_upper_case(letters), is_latin=True, unlikely=unlikely)


ALPHABETS = _make_alphabets()
CODE_PAGES = (
    CodePage("cp1252", _WESTERN_LANGUAGES, "western"),
    CodePage("iso8859-15", _WESTERN_LANGUAGES, "western", penalty=0.01),
    CodePage("cp1250", _CENTRAL_LANGUAGES, "central"),
    CodePage("iso8859-2", _CENTRAL_LANGUAGES, "central", penalty=0.01),
    CodePage("cp1254", ("turkish",)),
    CodePage("cp1258", ("vietnamese",), penalty=0.15),
    CodePage("cp1257", _BALTIC_LANGUAGES),
    CodePage("cp1251", _CYRILLIC_LANGUAGES),
    CodePage("koi8-r", ("russian", "bulgarian")),
    CodePage("koi8-u", ("ukrainian",)),
    CodePage("iso8859-5", _CYRILLIC_LANGUAGES),
    CodePage("cp866", _CYRILLIC_LANGUAGES),
    CodePage("mac-cyrillic", _CYRILLIC_LANGUAGES, penalty=0.02),
    CodePage("cp1253", ("greek",)),
    CodePage("iso8859-7", ("greek",)),
    CodePage("cp1255", ("hebrew",)),
    CodePage("cp1256", ("arabic",)),
    CodePage("iso8859-6", ("arabic",)),
    CodePage("cp874", ("thai",)),
    CodePage("cp850", _WESTERN_LANGUAGES, "western", penalty=0.1),
    CodePage("cp437", _WESTERN_LANGUAGES, "western", penalty=0.11),
    CodePage("cp852", _CENTRAL_LANGUAGES, "central", penalty=0.1),
    CodePage("mac-roman", _WESTERN_LANGUAGES, "western", penalty=0.1),
)
