"""Names of a model's columns: accepted spellings, and messages about names that do not match."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import TypeVar

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature
from pipeline.parsing.text import clean_text

__all__ = ["ColumnNames", "display_name"]

_MAX_LISTED = 10  # names in one message
_MAX_SHOWN = 60  # letters of a name in a message
_MAX_COMPARED = 10_000  # letters of all names; difflib takes quadratic time, so for more only both ends are compared
_MAX_ALIGNED = 200  # letters of a name; in longer names difflib ignores frequent letters
_NEAR = 0.6  # minimum fraction of common letters of two similar names
_Cells = TypeVar("_Cells")


class ColumnNames:
    """Columns of a model by accepted spelling: name, header in the training file, and both stripped and in NFC."""

    def __init__(self, signature: Signature) -> None:
        self.all = tuple(column.name for column in signature.columns)
        self._optional = frozenset(column.name for column in signature.columns if column.is_optional)
        self._targets = signature.target_columns
        self._unread = frozenset((*signature.unread, *map(clean_text, signature.unread)))
        self.spellings = {name: name for name in self.all}
        aliases = [(alias, column.name) for column in signature.columns for alias in column.aliases]
        exact = [*self.spellings.items(), *aliases]
        for spelling, name in (*exact, *((clean_text(spelling), name) for spelling, name in exact)):
            self.spellings.setdefault(spelling, name)

    def find(self, spelling: str) -> str | None:
        """Return the column with this spelling; None if there is none."""
        return self.spellings.get(spelling) or self.spellings.get(clean_text(spelling))

    def is_unread(self, spelling: str) -> bool:
        """Return whether the training file had the column, but the model does not read it."""
        return spelling in self._unread or clean_text(spelling) in self._unread

    def rename(self, cells: Mapping[str, _Cells], where: str, *, ignore_extra: bool = False) -> dict[str, _Cells]:
        """Return cells by the model's names of their columns, in the order of the request.

        Args:
            cells: Cells of a row, or of whole columns, by the names in the request.
            where: Location of the row or the columns, for messages.
            ignore_extra: Ignore unknown columns.

        Raises:
            InvalidRequestError: A column is missing, repeated, or unknown; the message names all of them.
        """
        renamed: dict[str, _Cells] = {}
        unknown = []
        for spelling, cell in cells.items():
            if (name := self.find(spelling)) is None:
                if not (ignore_extra or self.is_unread(spelling)):
                    unknown.append(spelling)
            elif name in renamed:
                raise InvalidRequestError(
                    f"{where} has '{display_name(name)}' twice, in two spellings: one is expected"
                )
            else:
                renamed[name] = cell
        self.check(renamed, where, unknown)
        return renamed

    def check(self, names: Collection[str], where: str, unknown: Collection[str] = ()) -> None:
        """Check for missing and unknown columns.

        Args:
            names: Columns that the request has.
            where: Location of the names, for messages.
            unknown: Columns of the request that the model does not have.

        Raises:
            InvalidRequestError: A column is missing or unknown; the message names all of them.
        """
        absent = [name for name in self.all if name not in names and name not in self._optional]
        faults = [f"lacks {_join_names(absent)}"] if absent else []
        if unknown:
            hints = "; ".join(filter(None, map(self._hint, list(unknown)[:_MAX_LISTED])))
            faults.append(f"has {_join_names(unknown)}, which the model does not read{hints and f' ({hints})'}")
        if faults:
            accept = "; ?extra=ignore ignores what it does not read" if unknown else ""
            raise InvalidRequestError(f"{where} {' and '.join(faults)}; expected: {_join_names(self.all)}{accept}")

    def _hint(self, name: str) -> str | None:
        if name in self._targets:
            return f"'{display_name(name)}' is what it predicts"
        near = _nearest(name, self.all)
        return None if near is None else "'{}' is near '{}'".format(*_show_difference(name, near))


def _nearest(name: str, columns: Sequence[str]) -> str | None:
    """Return the column whose name is most similar to ``name``, ignoring case."""
    from difflib import get_close_matches  # noqa: PLC0415 - only needed after an error

    folded = {column.casefold(): column for column in reversed(columns)}
    word = name[: _MAX_COMPARED // 10].casefold()
    if sum(map(len, columns)) + len(name) <= _MAX_COMPARED and len(name) <= _MAX_ALIGNED:
        near = get_close_matches(word, folded, n=1, cutoff=_NEAR)
        return folded[near[0]] if near else None
    shared = {column: _count_shared_ends(word, column) for column in folded}
    nearest = max(shared, key=lambda column: shared[column])
    return folded[nearest] if shared[nearest] >= _NEAR * max(len(name), len(nearest)) else None


def _count_shared_ends(name: str, column: str) -> int:
    """Count the letters that both names share at their start and end."""
    start = len(_common_prefix(name, column))
    return start + len(_common_prefix(name[start:][::-1], column[start:][::-1]))


def _common_prefix(name: str, column: str) -> str:
    return commonprefix([name, column])  # noqa: RUF071 - a common prefix of letters, not of path components


def display_name(name: str) -> str:
    """Return a user's name in printable form for a message; a long name is shortened to its start and end."""
    if len(name) > _MAX_SHOWN:
        half = _MAX_SHOWN // 2
        return f"{_printable(name[:half])}…{_printable(name[-half + 1 :])}"
    return _printable(name)


def _show_difference(name: str, near: str) -> tuple[str, str]:
    """Return two names so that their difference is visible; long names are cut around the first difference."""
    if max(len(name), len(near)) <= _MAX_SHOWN:
        return _printable(name), _printable(near)
    start = max(0, len(_common_prefix(name, near)) - _MAX_SHOWN // 2)
    return _cut_name(name, start), _cut_name(near, start)


def _cut_name(name: str, start: int) -> str:
    end = start + _MAX_SHOWN
    return f"{'…' if start else ''}{_printable(name[start:end])}{'…' if end < len(name) else ''}"


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name)


def _join_names(names: Iterable[str]) -> str:
    quoted = [f"'{display_name(name)}'" for name in names]
    more = len(quoted) - _MAX_LISTED
    return ", ".join(quoted[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
