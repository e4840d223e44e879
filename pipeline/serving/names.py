"""The names of a model's columns: how a request may spell them, and what is said of those that do not fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature
from pipeline.parsing.text import clean_text

__all__ = ["ColumnNames", "shown"]

_MAX_LISTED = 10  # names in one message
_MAX_SHOWN = 60  # letters of a name
_MAX_COMPARED = 10_000  # letters of all names that are aligned, which takes quadratic time; beyond it ends are compared
_MAX_ALIGNED = 200  # letters of a name: in longer ones difflib ignores those that are frequent
_NEAR = 0.6  # of the letters of two near names are shared


class ColumnNames:
    """A model's columns by each accepted spelling: the name, the header's own, and both stripped and composed."""

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
        """Return the column's name, or None where no column is spelled so."""
        return self.spellings.get(spelling) or self.spellings.get(clean_text(spelling))

    def is_unread(self, spelling: str) -> bool:
        """Whether the training file had the column too, and no model reads it."""
        return spelling in self._unread or clean_text(spelling) in self._unread

    def rename(self, row: Mapping[str, Any], where: str, *, ignore_extra: bool = False) -> dict[str, Any]:
        """Give the cells of ``row`` under the columns' own names; null for an optional column that is absent.

        Args:
            row: Cells by the names that the request has.
            where: The row's place, as messages call it.
            ignore_extra: Leave out unknown columns.

        Raises:
            InvalidRequestError: A column is absent, there twice, or unknown; all of them are named.
        """
        cells: dict[str, Any] = {}
        unknown = []
        for spelling, cell in row.items():
            if (name := self.find(spelling)) is None:
                if not (ignore_extra or self.is_unread(spelling)):
                    unknown.append(spelling)
            elif name in cells:
                raise InvalidRequestError(f"{where} has '{shown(name)}' twice, in two spellings: one is expected")
            else:
                cells[name] = cell
        self.check(cells, where, unknown)
        return dict.fromkeys(self.all) | cells

    def check(self, names: Collection[str], where: str, unknown: Collection[str] = ()) -> None:
        """Raise InvalidRequestError, naming them, when columns are absent from ``names``, or some are unknown."""
        absent = [name for name in self.all if name not in names and name not in self._optional]
        faults = [f"lacks {_listed(absent)}"] if absent else []
        if unknown:
            hints = "; ".join(filter(None, map(self._hint, list(unknown)[:_MAX_LISTED])))
            faults.append(f"has {_listed(unknown)}, which the model does not read{hints and f' ({hints})'}")
        if faults:
            accept = "; ?extra=ignore leaves out what it does not read" if unknown else ""
            raise InvalidRequestError(f"{where} {' and '.join(faults)}: expected are {_listed(self.all)}{accept}")

    def _hint(self, name: str) -> str | None:
        if name in self._targets:
            return f"'{shown(name)}' is what it predicts"
        near = _nearest(name, self.all)
        return None if near is None else "'{}' is near '{}'".format(*_contrast(name, near))


def _nearest(name: str, columns: Sequence[str]) -> str | None:
    """Find the column whose name is most like ``name``, case aside."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake pays for it

    folded = {column.casefold(): column for column in reversed(columns)}
    word = name[: _MAX_COMPARED // 10].casefold()
    if sum(map(len, columns)) + len(name) <= _MAX_COMPARED and len(name) <= _MAX_ALIGNED:
        near = get_close_matches(word, folded, n=1, cutoff=_NEAR)
        return folded[near[0]] if near else None
    shared = {column: _shared_ends(word, column) for column in folded}
    nearest = max(shared, key=lambda column: shared[column])
    return folded[nearest] if shared[nearest] >= _NEAR * max(len(name), len(nearest)) else None


def _shared_ends(name: str, column: str) -> int:
    """Count the letters that both have at their starts and ends."""
    start = len(_common_start(name, column))
    return start + len(_common_start(name[start:][::-1], column[start:][::-1]))


def _common_start(name: str, column: str) -> str:
    return commonprefix([name, column])  # noqa: RUF071 - letters are meant, not folders


def shown(name: str) -> str:
    """A name that a user chose, fit for one line: of a long one its start and its end."""
    if len(name) > _MAX_SHOWN:
        half = _MAX_SHOWN // 2
        return f"{_printable(name[:half])}…{_printable(name[-half + 1 :])}"
    return _printable(name)


def _contrast(name: str, near: str) -> tuple[str, str]:
    """Two names so that what differs is seen: of long ones the piece round the first difference."""
    if max(len(name), len(near)) <= _MAX_SHOWN:
        return _printable(name), _printable(near)
    start = max(0, len(_common_start(name, near)) - _MAX_SHOWN // 2)
    return _piece(name, start), _piece(near, start)


def _piece(name: str, start: int) -> str:
    end = start + _MAX_SHOWN
    return f"{'…' if start else ''}{_printable(name[start:end])}{'…' if end < len(name) else ''}"


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name)


def _listed(names: Iterable[str]) -> str:
    quoted = [f"'{shown(name)}'" for name in names]
    more = len(quoted) - _MAX_LISTED
    return ", ".join(quoted[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
