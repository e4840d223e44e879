"""Give each column of a file a unique name, and check the number of columns."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError
from pipeline.parsing.text import clean_text
from pipeline.validation.limits import MAX_CELLS, MAX_COLUMNS, MAX_NAME_CHARACTERS, MAX_NAMES_BYTES
from pipeline.validation.words import counted, listed

__all__ = [
    "NamedColumns",
    "check_cells",
    "check_names",
    "check_present",
    "clean_name",
    "name_columns",
    "suggest",
    "unique_names",
]

_PANDAS_UNNAMED = re.compile(r"Unnamed: \d+(?:\.\d+)*(?:_level_\d+)?")
_POLARS_PATTERN = re.compile(r"\*|\^.*\$", re.DOTALL)  # polars selects several columns by such a name
_MAX_LISTED = 10  # maximum columns that a warning lists


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedColumns:
    """The names of a file's columns, in their order."""

    names: tuple[str, ...]  # unique, stripped
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> other spellings in the header
    unnamed: frozenset[str] = frozenset()  # columns that have no name in the header
    warnings: tuple[str, ...] = ()


def clean_name(field: str) -> str:
    """Strip blanks and invisible characters from both ends, and compose accents (NFC).

    A name that polars would read as a pattern is put in parentheses, in every file: ``(*)``.
    """
    name = clean_text(field)
    return f"({name})" if _POLARS_PATTERN.fullmatch(name) else name


def unique_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Return a unique name for each field: duplicates get a suffix, unnamed columns ``column_`` and their position."""
    cleaned = [clean_name(written) or f"column_{position}" for position, written in enumerate(fields, 1)]
    taken = set(cleaned)
    used: set[str] = set()
    names = []
    for name in cleaned:
        names.append(_add_suffix(name, taken) if name in used else name)
        used.add(name)
        taken.add(names[-1])
    return tuple(names)


def name_columns(fields: Sequence[str]) -> NamedColumns:
    """Name the columns of a header.

    Args:
        fields: The header's cells as written.

    Raises:
        InvalidColumnsError: There are too many columns or none, or a name is too long.
    """
    names = unique_names(fields)
    check_names(names, min_columns=1)
    unnamed = {position: name for position, name in enumerate(names, 1) if not clean_name(fields[position - 1])}
    exported = {name for name in names if _PANDAS_UNNAMED.fullmatch(name)}
    return NamedColumns(
        names=names,
        aliases=_find_aliases(fields, names),
        unnamed=frozenset(unnamed.values()) | exported,
        warnings=(*_warn_unnamed(unnamed), *_warn_duplicates(fields, names, unnamed), *_warn_patterns(fields, names)),
    )


def _add_suffix(name: str, taken: Collection[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _find_aliases(fields: Sequence[str], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the header's spellings that differ from the final name and do not belong to another column too."""
    spellings = Counter(fields)
    taken = set(names)
    return {
        name: (written,)
        for written, name in zip(fields, names, strict=True)
        if clean_name(written) and written not in taken and spellings[written] == 1
    }


def _warn_unnamed(unnamed: Mapping[int, str]) -> Iterator[str]:
    if unnamed:
        shown = listed([f"{position} ('{name}')" for position, name in unnamed.items()], _MAX_LISTED)
        yield f"{counted(len(unnamed), 'column')} without a name in the header were named by position: {shown}"


def _warn_duplicates(fields: Sequence[str], names: Sequence[str], unnamed: Mapping[int, str]) -> tuple[str, ...]:
    positions: dict[str, list[int]] = defaultdict(list)
    for position, written in enumerate(fields, 1):
        if position not in unnamed:
            positions[clean_name(written)].append(position)
    return tuple(
        f"columns {_join(duplicates)} are all named '{name}': they are renamed "
        + _join([f"'{names[position - 1]}'" for position in duplicates])
        for name, duplicates in positions.items()
        if len(duplicates) > 1
    )[:_MAX_LISTED]


def _warn_patterns(fields: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    changed = [
        f"'{written.strip()}' is renamed '{name}'"
        for written, name in zip(fields, names, strict=True)
        if _POLARS_PATTERN.fullmatch(written.strip())
    ]
    if changed:
        yield f"names that could select several columns are put in parentheses: {_join(changed)}"


def _join(items: Sequence[object]) -> str:
    texts = [str(item) for item in items]
    if 1 < len(texts) <= _MAX_LISTED:
        return f"{', '.join(texts[:-1])} and {texts[-1]}"
    return listed(texts, _MAX_LISTED)


def check_names(names: Sequence[str], *, min_columns: int = 2) -> None:
    """Check the names of columns.

    Args:
        names: One name per column.
        min_columns: The minimum number of columns.

    Raises:
        InvalidColumnsError: There are too many or too few names, or a name is empty, too long or repeated.
    """
    if len(names) > MAX_COLUMNS:
        raise InvalidColumnsError(f"the file has {len(names):,} columns: at most {MAX_COLUMNS:,} are expected")
    if len(names) < min_columns:
        raise InvalidColumnsError(
            f"the file has {counted(len(names), 'column')}: at least one feature and one target are expected"
        )
    for position, name in enumerate(names, 1):
        if not name:
            raise InvalidColumnsError(
                f"column {position} of {len(names)} has no name: a name for each column is expected "
                "(pandas writes its index this way; leave it out with index=False)"
            )
        if len(name) > MAX_NAME_CHARACTERS:
            raise InvalidColumnsError(
                f"the name of column {position} has {len(name):,} characters: at most {MAX_NAME_CHARACTERS} are "
                "expected"
            )
    if (size := sum(len(json.dumps(name)) for name in names)) > MAX_NAMES_BYTES:
        raise InvalidColumnsError(
            f"the names of the {len(names):,} columns have {size:,} bytes in total: at most {MAX_NAMES_BYTES:,} are "
            "expected, since each request carries them"
        )
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        positions = " and ".join(str(position) for position, name in enumerate(names, 1) if name == repeated[0])
        raise InvalidColumnsError(f"columns {positions} are both named '{repeated[0]}': different names are expected")


def check_present(file: str, columns: Sequence[str], required: Iterable[str], description: str) -> None:
    """Check that a file has all required columns.

    Args:
        file: Name of the file, for messages.
        columns: Columns of the file.
        required: Names that must be among the columns.
        description: Clause that describes the required columns, as in "of the data".

    Raises:
        InvalidColumnsError: A column is absent.
    """
    if absent := [name for name in required if name not in columns]:
        raise InvalidColumnsError(
            f"'{file}' lacks {counted(len(absent), 'column')} {description}, such as '{absent[0]}': "
            f"{suggest(absent[0], columns)}"
        )


def check_cells(file: str, cells: int) -> None:
    """Check that a table fits in memory.

    Args:
        file: Name of the file, for messages.
        cells: Number of cells.

    Raises:
        UnreadableDatasetError: There are more than MAX_CELLS.
    """
    if cells > MAX_CELLS:
        raise UnreadableDatasetError(f"'{file}' has {cells:,} cells: at most {MAX_CELLS:,} are expected")


def suggest(name: str, names: Sequence[str]) -> str:
    """Return the end of a message about an unknown column: the most similar name, or else the columns of the file."""
    folded = {column.casefold(): column for column in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{folded[near[0]]}'?"
    return "the columns are " + listed([f"'{column}'" for column in names], 10)
