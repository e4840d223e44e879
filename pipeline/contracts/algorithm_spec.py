"""What an algorithm declares of itself. Planning reads it from the catalogue, training from the recipe's own file."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from pipeline.contracts.record import Record
from pipeline.contracts.signature import Task

__all__ = [
    "AlgorithmSpec",
    "Allowed",
    "Cost",
    "Input",
    "Range",
    "Setting",
    "Settings",
    "SettingsOverride",
    "Space",
    "did_you_mean",
]

Setting = int | float | str | bool | None | tuple[int | float | str, ...]
Settings = dict[str, Setting]
Input = Literal["num", "cat", "text", "image"]


class Range(Record):
    """Numbers from ``low`` to ``high``; ``log``: their logarithm is drawn evenly; ``whole``: integers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


Space = dict[str, Range | Annotated[tuple[Setting, ...], Field(min_length=1)]]


class Allowed(Record):
    """The values that an algorithm takes of a setting: what its library refuses is refused before it is called.

    Numbers: at least ``minimum`` or greater than ``above``, at most ``maximum``, whole where ``whole``. Words: one of
    ``choices``. Lists: of at least ``min_length`` values. Of a list each number is in the bounds.
    """

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    whole: bool = False
    choices: tuple[str, ...] = ()
    min_length: int = 0

    def allows(self, value: Setting) -> bool:
        """Return whether ``value`` is within the range."""
        if self.choices:
            return value in self.choices
        if isinstance(value, tuple):
            return len(value) >= self.min_length and all(self._is_within(number) for number in value)
        return self._is_within(value)

    @property
    def expected(self) -> str:
        """How a sentence names the values: "a number above 0"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        bounds = [
            f"{words} {bound:.12g}"
            for words, bound in (("of at least", self.minimum), ("above", self.above), ("at most", self.maximum))
            if bound is not None
        ]
        number = "a whole number" if self.whole else "a number"
        if self.min_length:
            return f"a list of {self.min_length} or more, each {number} {' and '.join(bounds)},"
        return f"{number} {' and '.join(bounds)}"

    def _is_within(self, value: Setting) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (
            (not self.whole or float(value).is_integer())
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
        )


class SettingsOverride(Record):
    """``settings`` for data of a certain shape. Those that apply are taken in their order, the last word counts."""

    settings: Settings
    rows_up_to: int | None = None  # training rows
    rows_over: int | None = None
    classes_over: int | None = None
    task: Task | None = None

    def applies(self, *, rows: int, classes: int, task: Task) -> bool:
        """Return whether all conditions hold for a data set."""
        return (
            (self.rows_up_to is None or rows <= self.rows_up_to)
            and (self.rows_over is None or rows > self.rows_over)
            and (self.classes_over is None or classes > self.classes_over)
            and (self.task is None or task == self.task)
        )


class Cost(Record):
    """What a candidate with default settings costs, as it was ``measured`` (when, and on what). A choice is made by it
    where it says so clearly (planning.estimates); it is no promise: another machine, other data, three times of it.

    ``seconds`` of one thread, and those that a million cells (training rows x columns) add; a tree or a weight a class:
    ``each_class`` multiplies them. ``bytes`` of the served fp32 file, those that a training row adds, and the most.
    """

    measured: str
    seconds: float
    seconds_per_million_cells: float
    each_class: bool = False
    bytes: int
    bytes_per_row: float = 0
    most_bytes: int | None = None
    latency_us: float


class AlgorithmSpec(Record):
    """An algorithm: ``reads`` are the kinds of input that it can take (graphs.encoding), it needs one of them there.

    ``needs``: the queue it profits from. ``good_at`` is the reason that a plan gives for it. ``defaults`` name all of
    its settings, ``allowed`` the values that its own can have; ``space`` is what a search tries. ``by_request``: only
    tried when it is asked for by name.
    ``knobs``: settings that ``training`` of a JobSpec sets (networks: those of the one loop). ``in_trials``: settings
    that a search's trials take, to be cheap; what is trained in the end has its own. ``cost`` None: unknown, so that
    nothing is decided by it.
    """

    name: str
    tasks: tuple[Task, ...]
    reads: tuple[Input, ...]
    needs: Literal["cpu", "gpu"]
    good_at: str
    defaults: Settings
    allowed: dict[str, Allowed] = {}
    adjustments: tuple[SettingsOverride, ...] = ()
    space: Space = {}
    matters_to: dict[str, Task] = {}  # a setting that says nothing to other tasks
    in_trials: Settings = {}
    unbounded: tuple[str, ...] = ()  # settings that null leaves without a bound
    cost: Cost | None = None
    least_rows: int = 1
    most_rows: int | None = None
    most_cells: int | None = None  # training rows x columns; of more it is only tried when it is asked for by name
    most_classes: int | None = None
    most_weights: int | None = None  # of a linear model over one-hot categories: above it a solver's step takes seconds
    must_read: tuple[Input, ...] = ()  # it is nothing without each of these
    by_request: bool = False
    brings_code: bool = False  # it is the model.py that was put beside the data
    knobs: bool = False
    turn: int = 50  # its place among a job's candidates: the quick first, so that a small budget ends with something

    def settings_for(self, *, rows: int, classes: int, task: Task) -> Settings:
        """Complete settings for data of that shape."""
        settings = dict(self.defaults)
        for adjustment in self.adjustments:
            if adjustment.applies(rows=rows, classes=classes, task=task):
                settings |= adjustment.settings
        return settings

    def value_error(self, name: str, value: Setting) -> str | None:
        """Why the setting cannot have this value, as the rest of a sentence that names both; None: it can."""
        allowed = self.allowed.get(name)
        if allowed is None or allowed.allows(value):
            return None
        if value is None and (name in self.unbounded or self.defaults[name] is None):
            return None
        if allowed.choices and isinstance(value, str):
            return f"there is no '{value[:60]}': {did_you_mean(value, allowed.choices)}"
        shown = list(value) if isinstance(value, tuple) else value
        return f"{shown} is not possible: {allowed.expected} is expected"


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """How a sentence ends that says that there is no ``name``."""
    names = list(candidates)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"one of {', '.join(names)} is expected"
