"""Classify single cells as number, date or word. The kind of a whole column is inferred in validation.columns."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from pipeline.parsing.missing import MISSING
from pipeline.parsing.numbers import CURRENCY

__all__ = ["MISSING_CELLS", "CellKind", "is_missing", "kind_of", "number_of"]

CellKind = Literal["empty", "number", "measure", "date", "word", "text"]  # measure: a number with a unit

_MAX_CHARACTERS = 64  # maximum length of a number or date
_MAX_WORD_CHARACTERS = 40
MISSING_CELLS = MISSING | {"-", "--", "---", ".", "..", "*", "–", "—"}
_DIGITS = r"(?:\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:[.,]\d*)?|\d[\d.,'’]*|[.,]\d+)"
_NUMBER = re.compile(
    rf"[<>≤≥~]?=?\s?\(?[+\-−]?\s?(?:{CURRENCY}\s?)?[+\-−]?{_DIGITS}(?:[eEdD][+-]?\d+)?\s?(?:%|‰|{CURRENCY})?\)?-?"
    r"|[+-]?inf(?:inity)?",
)
_PLAIN = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?")  # most numbers; checked first, since it is the fastest pattern
_MEASURE = re.compile(rf"[+\-−]?{_DIGITS}(?:[eE][+-]?\d+)?(?:\+|\s?[A-Za-zµμ°²³/]{{1,6}})")
_CLOCK = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?"
_DATE = re.compile(
    rf"(?:\d{{4}}[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{4}}|\d{{2}})"
    rf"|\d{{1,2}}[-. ]{{1,2}}[^\W\d]{{3,9}}[-. ,]{{1,2}}(?:\d{{4}}|\d{{2}})|[A-Za-z]{{3,9}}\.? \d{{1,2}},? \d{{4}})"
    rf"(?:(?:[Tt]|,?\s+){_CLOCK}(?:\s?(?:Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}}))?)?"
    rf"|\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?|\d{{2}}\.\d{{2}}\.\d{{2}}",
)


@lru_cache(maxsize=1 << 16)
def kind_of(cell: str) -> CellKind:
    """Return the kind of a stripped cell. Missing markers are words."""
    if not cell:
        return "empty"
    if _PLAIN.fullmatch(cell):
        return "number"
    if len(cell) <= _MAX_CHARACTERS:
        if _DATE.fullmatch(cell):
            return "date"
        if _NUMBER.fullmatch(cell):
            return "number"
        if _MEASURE.fullmatch(cell):
            return "measure"
    return "word" if len(cell) <= _MAX_WORD_CHARACTERS else "text"


def is_missing(cell: str) -> bool:
    """Return whether a stripped cell is empty or a common missing marker."""
    return cell in MISSING_CELLS


def number_of(cell: str) -> float | None:
    """Return the value of a number that ``float`` can read; else None."""
    try:
        return float(cell)
    except ValueError:
        return None
