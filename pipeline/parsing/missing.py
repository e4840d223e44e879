"""What a cell's text means when it is no value: the same in a training file and in a request. Standard library only."""

from __future__ import annotations

__all__ = ["FALSE", "MISSING", "TRUE"]

# Compared after white space is stripped, as they are written here: "none" and "na" are also words.
MISSING = frozenset({"", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"})

# A column of these alone is boolean; compared in lower case.
TRUE = frozenset({"true", "yes"})
FALSE = frozenset({"false", "no"})
