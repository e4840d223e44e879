"""Columns: how many there may be, and that each has a name of its own."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError
from pipeline.validation.limits import MOST_CELLS, MOST_COLUMNS, MOST_NAME_CHARACTERS
from pipeline.validation.words import counted

__all__ = ["check_cells", "check_names", "nearest"]


def check_names(names: Sequence[str]) -> None:
    """Raise InvalidColumnsError for names that are too many, too few, empty, too long, or twice there."""
    if len(names) > MOST_COLUMNS:
        raise InvalidColumnsError(f"the file has {len(names):,} columns: at most {MOST_COLUMNS:,} are expected")
    if len(names) < 2:
        raise InvalidColumnsError(
            f"the file has {counted(len(names), 'column')}: at least one to learn from and one to predict are expected"
        )
    for place, name in enumerate(names, 1):
        if not name:
            raise InvalidColumnsError(
                f"column {place} of {len(names)} has no name: a name for each column is expected "
                "(pandas writes its index so; leave it out with index=False)"
            )
        if len(name) > MOST_NAME_CHARACTERS:
            raise InvalidColumnsError(
                f"the name of column {place} has {len(name):,} characters: at most {MOST_NAME_CHARACTERS} are expected"
            )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        places = " and ".join(str(place) for place, name in enumerate(names, 1) if name == twice[0])
        raise InvalidColumnsError(
            f"columns {places} are both named '{twice[0]}': a name of its own is expected for each"
        )


def check_cells(file: str, cells: int) -> None:
    """Raise UnreadableDatasetError when the table would not fit in memory."""
    if cells > MOST_CELLS:
        raise UnreadableDatasetError(f"'{file}' has {cells:,} cells: at most {MOST_CELLS:,} are expected")


def nearest(name: str, names: Sequence[str]) -> str:
    """How a message ends that says that there is no column ``name``."""
    folded = {one.casefold(): one for one in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{folded[near[0]]}'?"
    shown = ", ".join(f"'{one}'" for one in names[:10])
    return f"the columns are {shown}{', ...' if len(names) > 10 else ''}"
