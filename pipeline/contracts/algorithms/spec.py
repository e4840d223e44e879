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
    rows_up_to: int | None = None  # number of training rows
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

    The planner's estimates use it (planning.estimates). On another machine or other data the cost may be three times as
    high.
    """

    measured: str  # date and machine of the measurement
    seconds: float  # training time on one thread that does not depend on the data
    seconds_per_million_cells: float  # training time on one thread per million cells (training rows x columns)
    each_class: bool = False  # whether seconds and bytes per row are multiplied by the number of classes
    bytes: int  # size of the served fp32 file
    bytes_per_row: float = 0  # additional size per training row
    most_bytes: int | None = None  # maximum size of the file; None: no maximum
    latency_us: float  # microseconds of one row


class AlgorithmSpec(Record):
    """Static description of an algorithm, used by the planner."""

    name: str
    tasks: tuple[Task, ...] = ("classification", "regression")
    supported_inputs: tuple[Input, ...]  # a data set must have one of them
    required_inputs: tuple[Input, ...] = ()  # a data set must have each of them
    queue: Literal["cpu", "gpu"] = "cpu"  # queue of the machines that suit it
    strengths: str  # reason that a plan gives for the algorithm
    hyperparameters: tuple[Hyperparameter, ...]
    overrides: tuple[SettingsOverride, ...] = ()
    cost: Cost | None = None  # None: unknown, and no limit excludes the algorithm
    min_rows: int = 1  # training rows
    max_rows: int | None = None  # with more rows it is tried only if the spec names it
    max_cells: int | None = None  # training rows x columns; with more it is tried only if the spec names it
    max_classes: int | None = None
    max_weights: int | None = None  # of a linear model over one-hot categories; with more, a solver step takes seconds
    only_by_name: bool = False  # it is tried only if the spec names it
    has_user_code: bool = False  # it trains the model.py that was uploaded with the data
    is_network: bool = False  # the training loop trains it, and `training` of train.yaml sets its hyper-parameters
    training_order: int = 50  # order in a job: fast algorithms first, so that a small budget has a result

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
        """Return why a hyper-parameter cannot have this value, as the rest of a sentence; None: the value is valid."""
        field = self.hyperparameter(name)
        return field.value_error(value) if field else None
