"""Names of text encodings, in messages and in Python."""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass
from encodings.aliases import aliases

from pipeline.contracts.errors import InvalidJobSpecError

__all__ = ["UTF_8", "TextEncoding", "find_codec", "name_encoding"]

_MAX_NAME_CHARACTERS = 40
_NAMES = {
    "big5hkscs": "Big5-HKSCS",
    "cp932": "Shift JIS",
    "cp949": "EUC-KR",
    "cp950": "Big5",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
    "mac-cyrillic": "Mac Cyrillic",
    "mac-greek": "Mac Greek",
    "mac-latin2": "Mac Latin 2",
    "mac-roman": "Mac Roman",
    "mac-turkish": "Mac Turkish",
    "utf-16-be": "UTF-16 BE",
    "utf-16-le": "UTF-16 LE",
    "utf-32-be": "UTF-32 BE",
    "utf-32-le": "UTF-32 LE",
}
# Names in other programs, such as "ANSI" in Excel and "UTF-8 with BOM" in editors.
_WINDOWS = re.compile(r"^(?:windows|win|cp|ms|ibm)[-_ ]?(\d{3,4})$")
_OTHER_NAMES = {"ansi": "cp1252", "utf-8-bom": "utf-8", "utf8-bom": "utf-8", "utf-8-sig": "utf-8", "x-sjis": "cp932"}
# Python's codec of this name -> a superset, since files with this encoding have characters that the codec lacks.
_SUPERSETS = {"shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950", "gb2312": "gb18030", "gbk": "gb18030"}
# Codecs that Python calls text encodings although no file is written in them.
_NOT_FOR_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """An encoding: ``codec`` is the name in Python, ``name`` the name in messages."""

    codec: str
    name: str
    has_mark: bool = False  # whether the file begins with a byte-order mark


def name_encoding(codec: str, *, has_mark: bool = False) -> TextEncoding:
    """Return the encoding of Python's ``codec`` with its name for messages."""
    name = _NAMES.get(codec) or re.sub(r"^CP(125\d)$", r"Windows-\1", codec.upper().replace("_", "-"))
    return TextEncoding(codec, re.sub(r"^ISO8859", "ISO-8859", name), has_mark)


UTF_8 = name_encoding("utf-8")


def find_codec(name: str) -> TextEncoding:
    """Return the encoding that ``encoding`` of train.yaml names.

    Raises:
        InvalidJobSpecError: Python has no text encoding of this name; the message suggests similar names.
    """
    plain_name = _WINDOWS.sub(r"cp\1", name.strip().lower())
    codec = _look_up(_OTHER_NAMES.get(plain_name, plain_name))
    if not codec:
        similar = difflib.get_close_matches(plain_name, _list_names(), n=3, cutoff=0.5)
        examples = similar or ["utf-8", "windows-1252", "utf-16"]
        shown = name.strip()[:_MAX_NAME_CHARACTERS]
        raise InvalidJobSpecError(
            f"'{shown}' in `encoding` is not a text encoding: a name such as {', '.join(examples)} is expected"
        )
    return name_encoding(codec)


def _look_up(name: str) -> str:
    """Return Python's name of the codec; "" if there is none, or no file would be written in it."""
    if not name or len(name) > _MAX_NAME_CHARACTERS or not name.isascii() or not name.isprintable():
        return ""
    try:
        codec = codecs.lookup(name)
    except LookupError:
        return ""
    is_text = codec._is_text_encoding  # there is no public attribute for it
    if not is_text or codec.name.replace("-", "_") in _NOT_FOR_FILES:
        return ""
    return _SUPERSETS.get(codec.name, codec.name)


def _list_names() -> list[str]:
    codecs_of_files = {codec for alias in aliases.values() if (codec := _look_up(alias))}
    return sorted({name_encoding(codec).name.lower() for codec in codecs_of_files} | {"latin-1", "utf-16", "ansi"})
