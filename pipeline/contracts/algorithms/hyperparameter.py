"""One hyper-parameter of an algorithm: its name, type, default, unit, bounds, and what a search tries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from pipeline.contracts.record import Record
from pipeline.contracts.signature import Task
from pipeline.contracts.suggestions import did_you_mean

__all__ = ["Hyperparameter", "Kind", "Range", "Setting", "Settings", "Space", "kind_of"]

Setting = int | float | str | bool | None | tuple[int | float | str, ...]
Settings = dict[str, Setting]
Kind = Literal["boolean", "integer", "number", "string", "integers", "numbers", "strings"]

_ITEM_KINDS: Mapping[Kind, Kind] = MappingProxyType({"integers": "integer", "numbers": "number", "strings": "string"})
_KIND_WORDS: Mapping[Kind, str] = MappingProxyType(
    {"boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "a word"}
)
_MAX_SHOWN = 60  # characters of an unknown value in a message


class Range(Record):
    """Numbers from ``low`` to ``high``; ``log``: sampled uniformly in the logarithm; ``whole``: integers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


Space = dict[str, Range | Annotated[tuple[Setting, ...], Field(min_length=1)]]


class Hyperparameter(Record):
    """Description of one field of an algorithm's config. The bounds and choices of a list apply to each item."""

    name: str
    description: str  # one sentence
    kinds: tuple[Kind, ...]  # types that a value may have
    default: Setting
    unit: str = ""
    nullable: bool = False
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    min_length: int = 0  # minimum length of a list
    search: Range | tuple[Setting, ...] | None = None  # what a search tries by default
    task: Task | None = None  # the only task that it has an effect on; None: all tasks
    set_by: str = ""  # the field of train.yaml that sets it for every algorithm; empty: settings.ALGORITHM does

    def value_error(self, value: Setting) -> str | None:
        """Return why the hyper-parameter cannot have this value, as the rest of a sentence; None: it can."""
        if value is None and self.nullable:
            return None
        if not self._has_kind(value):
            return f"the value is {kind_of(value)}: {self.expected} is expected"
        items = value if isinstance(value, tuple) else (value,)
        if self.choices:
            unknown = [str(item) for item in items if item not in self.choices]
            hint = did_you_mean(unknown[0], self.choices) if unknown else ""
            return f"unknown value '{unknown[0][:_MAX_SHOWN]}': {hint}" if unknown else None
        is_long_enough = not isinstance(value, tuple) or len(value) >= self.min_length
        if is_long_enough and all(map(self._is_within, items)):
            return None
        shown = list(value) if isinstance(value, tuple) else value
        return f"{shown} is not allowed: {self.expected} is expected"

    def read(self, value: Setting) -> Setting:
        """Convert ``value`` to the field's type: YAML reads 1e-3 as a word, and 100.0 may be an integer."""
        if isinstance(value, str) and self.is_numeric:
            try:
                value = float(value)
            except ValueError:
                return value
        if isinstance(value, float) and value.is_integer() and "integer" in self.kinds:
            return int(value)
        return value

    @property
    def expected(self) -> str:
        """Return the values in words: "a number above 0 and at most 1"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return " or ".join(map(self._expected, self.kinds))

    @property
    def is_numeric(self) -> bool:
        """Return whether a value may be one number."""
        return "integer" in self.kinds or "number" in self.kinds

    @property
    def bounds(self) -> str:
        """Return the bounds in words: "of at least 0 and below 1"; empty: there are none."""
        worded = (
            ("of at least", self.minimum),
            ("above", self.above),
            ("at most", self.maximum),
            ("below", self.below),
        )
        return " and ".join(f"{words} {bound:.12g}" for words, bound in worded if bound is not None)

    def _expected(self, kind: Kind) -> str:
        scalar = " ".join(filter(None, (_KIND_WORDS[_ITEM_KINDS.get(kind, kind)], self.bounds)))
        if kind not in _ITEM_KINDS:
            return scalar
        length = f" of {self.min_length} or more" if self.min_length else ""
        return f"a list{length}, each {scalar},"

    def _has_kind(self, value: Setting) -> bool:
        if isinstance(value, tuple):
            kinds = [_ITEM_KINDS[kind] for kind in self.kinds if kind in _ITEM_KINDS]
            return any(all(_is_scalar(item, kind) for item in value) for kind in kinds)
        return any(_is_scalar(value, kind) for kind in self.kinds)

    def _is_within(self, value: Setting) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
        )


def kind_of(value: Setting) -> str:
    """Return the type of a setting in words."""
    if isinstance(value, tuple):
        return f"a list ({', '.join(dict.fromkeys(map(kind_of, value))) or 'empty'})"
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    return kinds.get(type(value), "nothing")


def _is_scalar(value: Setting, kind: Kind) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "string":
        return isinstance(value, str)
    return isinstance(value, int) or (kind == "number" and isinstance(value, float))
