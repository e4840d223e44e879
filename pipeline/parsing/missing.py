"""Markers of missing values, the same in training files and requests. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["FALSE", "MISSING", "NUMBER_MISSING", "TRUE", "choose_markers"]

# Compared after white space is stripped, case-sensitively: "none" and "na" are also words.
MISSING = frozenset({"", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "\\N"})

# Markers in numeric columns only; in other columns these are values. Words such as "unknown" are not markers.
NUMBER_MISSING = frozenset(
    {
        *("-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "\u2026", "*", "**", ":", "/", "//"),
        *("na", "Na", "n.a.", "N.A.", "n. a.", "n.a", "n.d.", "n/d", "N/D", "n/v", "k.A.", "k. A.", "k.a.", "s/d"),
        *("none", "NONE", "nil", "Nil", "NIL", "void", "VOID", "Null", "NAN", "Nan", "NaT", "(null)", "\\N"),
        *("inf", "-inf", "+inf", "Inf", "-Inf", "+Inf", "INF", "-INF", "Infinity", "-Infinity", "infinity"),
        *("#DIV/0!", "#N/A", "#NA", "#N/V", "#NV", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!", "#ERROR!"),
        *("#WERT!", "#BEZUG!", "#ZAHL!", "#VALEUR!", "#VALOR!", "#VALORE!", "-nan", "NaN%", "1.#QNAN", "1.#INF"),
    }
)

# A column with only these values is boolean; compared in lower case.
TRUE = frozenset({"true", "yes"})
FALSE = frozenset({"false", "no"})


def choose_markers(replaced: Iterable[str] | None) -> frozenset[str]:
    """Return the default markers of missing values, or their replacement; the empty cell is always a marker."""
    return MISSING if replaced is None else frozenset({"", *replaced})
