"""The other sections of train.yaml: split, search, compression, limits."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    model_validator,
)

from pipeline.contracts.algorithms.hyperparameter import Space
from pipeline.contracts.records.variant import PRECISION_OF_PASS, Precision
from pipeline.contracts.spec.field_types import AlgorithmName, Fraction, Passes, Section, Text

__all__ = ["Canary", "Compression", "Distillation", "FineTuning", "Limits", "Prefer", "Search", "Split"]

Prefer = Literal["quality", "balanced", "size", "latency"]


class Split(Section):
    """Fractions of the rows for validation and test; the remaining rows are for training.

    A random split is stratified by the class, or by quantiles of a regression target. ``by: time``: the latest rows are
    for test, the rows before them for validation; ``by: group``: rows of one group are in the same split. ``column`` is
    the column with the time or the group.
    """

    validation: Fraction = 0.1
    test: Fraction = 0.1
    by: Literal["random", "time", "group"] = "random"
    column: Text | None = None

    @model_validator(mode="after")
    def _require_column(self) -> Self:
        if (self.by == "random") != (self.column is None):
            raise ValueError("split.by time or group needs split.column, and random needs none")
        return self


class Search(Section):
    """Search for settings. ``space``: algorithm -> setting -> values, or a range; None: each algorithm's own space.

    grid tries all combinations; random and bayesian (Optuna's TPE) try ``trials`` of them; halving begins with
    ``trials`` on few rows and continues with the better ones on more rows (Jamieson and Talwalkar 2016). ``cv``: each
    trial is scored by cross-validation with this number of folds.
    """

    method: Literal["none", "grid", "random", "halving", "bayesian"] = "none"
    space: dict[AlgorithmName, Space] | None = None
    trials: Annotated[int, Field(ge=1, le=1000)] = 20
    cv: Annotated[int, Field(ge=2, le=20)] | None = None

    @model_validator(mode="after")
    def _require_method(self) -> Self:
        stated = [name for name in ("space", "cv") if getattr(self, name) is not None]
        if stated and self.method == "none":
            raise ValueError(f"{stated[0]} is given, and method is none: grid, random, halving or bayesian is expected")
        return self


class FineTuning(Section):
    """Additional objectives of compression passes that train, besides the original predictions for the training rows.

    Attributes:
        hints: Weight of the error of a middle layer's outputs against its outputs before the pass (FitNets, Romero et
            al. 2015); 0: none.
        mixup: Alpha of mixup (Zhang et al. 2018), which mixes each row with another one; 0: no mixup.
    """

    hints: Annotated[float, Field(ge=0, le=100)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0


class Compression(Section):
    """Which variants to make. The model as it was trained (fp32) is always one.

    Attributes:
        passes: Passes that are applied to each candidate in this order, before each of ``precisions``; a pass that
            quantizes sets the precision itself. auto: the passes of each precision, and fine-tuned pruning if
            ``minutes`` is set.
        precisions: Precisions; each gives one variant.
        max_quality_drop: Maximum decrease in quality, relative to the fp32 file's metric; for log_loss, relative to the
            mean probability of the true class.
        min_agreement: Minimum fraction of labels that equal the fp32 file's (regression: correlation of values).
        max_slowdown: Maximum latency of one row divided by the fp32 file's. With this bound the result depends on the
            machine.
        minutes: Minutes in which variants are begun and fine-tuned; None: 10 minutes for named passes; for automatic
            passes, which then prune no network, 45 s or a tenth of the training time, whichever is longer.
        fine_tuning: Additional objectives of passes that train.
    """

    passes: Passes = "auto"
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    max_quality_drop: Annotated[float, Field(ge=0, le=1)] = 0.01
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.98
    max_slowdown: Annotated[float, Field(gt=0)] | None = None
    minutes: Annotated[float, Field(gt=0, le=1440)] | None = None
    fine_tuning: FineTuning = FineTuning()

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        quantizing = [name for name in self.passes if name in PRECISION_OF_PASS]
        if len(quantizing) > 1:
            raise ValueError(f"passes: {quantizing[0]} and {quantizing[1]} set the precision: at most one is expected")
        if quantizing and self.passes[-1] != quantizing[0]:
            raise ValueError(f"passes: {quantizing[0]} sets the precision and is expected to be the last")
        return self


class Distillation(Section):
    """New rows that the distilled model of a blend learns from, besides the training rows.

    Attributes:
        copies: Number of new rows for each training row.
        mixup: Alpha of mixup (Zhang et al. 2018), which interpolates two rows to a new one; 0: a new row has some
            columns of another row instead.
    """

    copies: Annotated[int, Field(ge=0, le=20)] = 4
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0


class Limits(Section):
    """Limits that a version must keep to be promoted automatically. None: no limit."""

    max_bytes: Annotated[int, Field(gt=0)] | None = None
    max_latency_us: Annotated[float, Field(gt=0)] | None = None
    min_quality: float | None = None  # minimum (for an error or a loss: maximum) of metric, or of accuracy or rmse
    minutes: Annotated[float, Field(gt=0, le=1440)] = 60  # per training job, which then uses its best models so far
    dollars: Annotated[float, Field(gt=0)] | None = None  # for all training jobs, at list prices
    prefer: Prefer = "balanced"  # which variant of the Pareto front is served


class Canary(Section):
    """How promote: canary and promote: shadow test a version on requests, and which bounds end the test early.

    Attributes:
        percent: Percentage of the requests that the version responds to (canary), or is compared on (shadow).
        minutes: Duration in minutes.
        max_failures: Maximum fraction of its requests that the version fails although the live version does not.
        max_slowdown: Maximum of its 95th percentile of latency divided by the live version's.
        max_disagreement: Maximum fraction of labels that differ from the live version's; for a regression, maximum root
            mean square difference in standard deviations of the live version's values.
    """

    percent: Annotated[float, Field(gt=0, le=100)] = 10
    minutes: Annotated[float, Field(gt=0, le=10080)] = 30
    max_failures: Annotated[float, Field(ge=0, le=1)] = 0.01
    max_slowdown: Annotated[float, Field(gt=0)] = 2
    max_disagreement: Annotated[float, Field(ge=0)] = 0.3
