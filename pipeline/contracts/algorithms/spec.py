"""Static description of an algorithm. Planning reads it from the catalog, training from the algorithm's own file."""

from __future__ import annotations

from typing import Literal

from pipeline.contracts.algorithms.hyperparameter import Hyperparameter, Setting, Settings
from pipeline.contracts.record import Record
from pipeline.contracts.signature import Task

__all__ = ["AlgorithmSpec", "Cost", "Input", "SettingsOverride"]

Input = Literal["num", "cat", "text", "image"]  # as graphs.encoding names them


class SettingsOverride(Record):
    """Overrides of the default settings for data sets that match all conditions. Later overrides win."""

    settings: Settings
    rows_up_to: int | None = None  # training rows
    rows_over: int | None = None
    classes_over: int | None = None
    task: Task | None = None

    def applies(self, *, rows: int, classes: int, task: Task) -> bool:
        """Return whether a data set of this shape matches all conditions."""
        return (
            (self.rows_up_to is None or rows <= self.rows_up_to)
            and (self.rows_over is None or rows > self.rows_over)
            and (self.classes_over is None or classes > self.classes_over)
            and (self.task is None or task == self.task)
        )


class Cost(Record):
    """Measured cost of a candidate with default settings.

    The planner estimates from it (planning.estimates). On another machine or other data it may be three times of this.
    """

    measured: str  # when, and on what
    seconds: float  # of one thread, whatever the data
    seconds_per_million_cells: float  # training rows x columns
    each_class: bool = False  # whether seconds and bytes per row are multiplied by the classes: a tree or weight each
    bytes: int  # of the served fp32 file
    bytes_per_row: float = 0  # that a training row adds
    most_bytes: int | None = None
    latency_us: float  # of one row


class AlgorithmSpec(Record):
    """Static description of an algorithm, used by the planner."""

    name: str
    tasks: tuple[Task, ...] = ("classification", "regression")
    supported_inputs: tuple[Input, ...]  # a data set must have one of them
    required_inputs: tuple[Input, ...] = ()  # a data set must have each of them
    queue: Literal["cpu", "gpu"] = "cpu"  # that it profits from
    strengths: str  # the reason that a plan gives for it
    hyperparameters: tuple[Hyperparameter, ...]
    overrides: tuple[SettingsOverride, ...] = ()
    cost: Cost | None = None  # None: unknown, so that nothing is decided by it
    min_rows: int = 1  # training rows
    max_rows: int | None = None  # with more it is tried only if the spec names it
    max_cells: int | None = None  # training rows x columns; with more it is tried only if the spec names it
    max_classes: int | None = None
    max_weights: int | None = None  # of a linear model over one-hot categories; beyond, a solver's step takes seconds
    only_by_name: bool = False  # it is tried only if the spec names it
    has_user_code: bool = False  # it trains the model.py that was uploaded beside the data
    is_network: bool = False  # the training loop trains it, and `training` of train.yaml sets its hyper-parameters
    training_order: int = 50  # among the candidates of a job: quick ones first, so that a small budget has a result

    @property
    def defaults(self) -> Settings:
        """Return the default of each hyper-parameter."""
        return {field.name: field.default for field in self.hyperparameters}

    def hyperparameter(self, name: str) -> Hyperparameter | None:
        """Return the hyper-parameter with this name; None: the algorithm has none."""
        return next((field for field in self.hyperparameters if field.name == name), None)

    def settings_for(self, *, rows: int, classes: int, task: Task) -> Settings:
        """Return complete settings for a data set of this shape."""
        settings = self.defaults
        for override in self.overrides:
            if override.applies(rows=rows, classes=classes, task=task):
                settings |= override.settings
        return settings

    def value_error(self, name: str, value: Setting) -> str | None:
        """Return why a hyper-parameter cannot have this value, as the rest of a sentence; None: it can."""
        field = self.hyperparameter(name)
        return field.value_error(value) if field else None
