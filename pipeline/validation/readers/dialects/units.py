"""Recognize a row below the header that holds units or types: ``[m/s];[hPa]``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.validation.readers.dialects.cells import is_missing, kind_of
from pipeline.validation.readers.dialects.profiles import ColumnEvidence

__all__ = ["are_units", "is_rule", "is_unit_row"]

_MAX_CHARACTERS = 20
_IMPORT_ID = '{"ImportId"'  # cells in the third line of a survey tool's export
_BRACKETED = re.compile(r"[\[({<].*[\])}>]")
_RULE = re.compile(r"[|+:\s]*[-=]{2,}[-=|+:;,\s]*")
_UNIT_WORDS = """
    mo dy degc degf degt nmi
    - % ‰ ° °c °f °k c f k n s ms µs us ns min h hr hrs hour hours sec seconds day days d week weeks month months
    year years yr m mm cm km dm µm um nm ft in inch mi l ml dl g kg mg µg ug t lb oz pa hpa kpa mpa bar mbar mmhg
    psi atm v mv kv a ma w kw mw gw wh kwh mwh j kj mj hz khz mhz ghz db dbm lux lx lm cd mol mmol mph kmh kn knots
    rpm ppm ppb deg degree degrees rad sr usd eur gbp $ € £ ¥ kr count counts pcs cells bpm mg/dl ohm kohm ω s/m n/m
    nm/s float int integer double string str text char varchar numeric number real continuous discrete nominal
    ordinal categorical category date datetime time timestamp bool boolean object float64 float32 int64 int32 long
    yyyy-mm-dd unitless dimensionless class meta
"""
_UNITS = frozenset(_UNIT_WORDS.split())
_QUOTIENT = re.compile(r"[^\W\d]{1,4}[²³23]?(?:\s?[/·*]\s?[^\W\d]{1,4}[²³23]?|[⁻^]?-?[¹²³123])+")


def is_rule(text: str) -> bool:
    """Return whether a line below the header is a ruler: ``----+-----``."""
    return bool(_RULE.fullmatch(text.strip()))


def are_units(cells: Sequence[str]) -> bool:
    """Return whether at least half of the cells are units."""
    return bool(cells) and sum(map(_is_unit, cells)) * 2 >= len(cells)


def is_unit_row(cells: Sequence[str], profiles: Sequence[ColumnEvidence]) -> bool:
    """Return whether ``cells`` are units of the columns: no cell in a column of numbers is a number."""
    typed = [(cell, profile) for cell, profile in zip(cells, profiles, strict=False) if profile.typed]
    filled = [cell for cell, profile in typed if cell and not (is_missing(cell) and cell in profile.values)]
    if all(cell.startswith(_IMPORT_ID) for cell in cells if cell) and any(cells):
        return True
    if not filled or all(map(is_missing, filled)):
        return False
    if any(profile.holds(kind_of(cell)) for cell, profile in typed if cell):
        return False
    are_short = all(len(cell) <= _MAX_CHARACTERS for cell in cells)
    if are_short and are_units(filled):
        return True
    described = all(cell for cell, _ in typed) and not _holds_values(cells, profiles)
    return described and len(filled) > 1 and len(filled) == len(typed)


def _holds_values(cells: Sequence[str], profiles: Sequence[ColumnEvidence]) -> bool:
    """Return whether a cell is also in other rows of its column, so that the line is a row of data."""
    return any(cell and cell in profile.values for cell, profile in zip(cells, profiles, strict=False))


def _is_unit(cell: str) -> bool:
    return bool(_BRACKETED.fullmatch(cell) or cell.lower() in _UNITS or _QUOTIENT.fullmatch(cell))
