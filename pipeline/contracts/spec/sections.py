"""The other sections of train.yaml: split, search, compression, limits."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    model_validator,
)

from pipeline.contracts.algorithms.hyperparameter import Space
from pipeline.contracts.records.variant import PRECISION_OF_PASS, Precision
from pipeline.contracts.spec.field_types import AlgorithmName, Passes, Section, Share, Text

__all__ = ["Canary", "Compression", "Distillation", "FineTuning", "Limits", "Prefer", "Search", "Split"]

Prefer = Literal["quality", "balanced", "size", "latency"]


class Split(Section):
    """Shares of the rows; what remains trains. Stratified by the class, or by quantiles of a regression target.

    ``by`` time: the latest rows test, those before them validate; by group: rows of one group stay together. ``column``
    holds the time or the group.
    """

    validation: Share = 0.1
    test: Share = 0.1
    by: Literal["random", "time", "group"] = "random"
    column: Text | None = None

    @model_validator(mode="after")
    def _require_column(self) -> Self:
        if (self.by == "random") != (self.column is None):
            raise ValueError("split.by time or group needs split.column, and random needs none")
        return self


class Search(Section):
    """How settings are searched for. ``space``: algorithm -> setting -> values, or a range; None: its own.

    grid tries all; random and bayesian (Optuna's TPE) ``trials``; halving begins with so many on few rows and goes on
    with the better ones (Jamieson and Talwalkar 2016). ``cv``: each is scored by cross-validation in so many folds.
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
    """What passes that train learn beside the predictions for the training rows.

    Attributes:
        hints: Weight of the error of a middle layer's outputs against those before the change (FitNets, Romero et al.
            2015); 0: none.
        mixup: Alpha of mixup (Zhang et al. 2018), by which rows are mixed with others; 0: none are.
    """

    hints: Annotated[float, Field(ge=0, le=100)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0


class Compression(Section):
    """Which variants to make. The model as it was trained (fp32) is always one.

    Attributes:
        passes: Applied to each candidate in this order, before each of ``precisions``; a pass that quantizes sets the
            precision itself. auto: the passes of each precision, and fine-tuned pruning where ``minutes`` is set.
        precisions: One variant each.
        max_quality_drop: Relative to the fp32 file's metric; of log_loss, of the mean probability of the truth.
        min_agreement: Share of labels (regression: correlation of values) that are those of the fp32 file.
        max_slowdown: Latency of one row divided by the fp32 file's. With a bound the machine has a say.
        minutes: The time in which variants are begun and fine-tuned; None: 10 of passes that are named, 45 s of
            automatic ones (or a tenth of the time of training), which then prune no network.
        fine_tuning: What passes that train learn.
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
    """What the student of a blend learns from, beside the training rows.

    Attributes:
        copies: New rows for each training row.
        mixup: Alpha of mixup (Zhang et al. 2018), by which a new row lies between two rows; 0: some of its columns come
            from another row.
    """

    copies: Annotated[int, Field(ge=0, le=20)] = 4
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0


class Limits(Section):
    """What a version must keep to be promoted by itself. None: no limit."""

    max_bytes: Annotated[int, Field(gt=0)] | None = None
    max_latency_us: Annotated[float, Field(gt=0)] | None = None
    min_quality: float | None = None  # of metric, else of accuracy or rmse (of an error or a loss: at most)
    minutes: Annotated[float, Field(gt=0, le=1440)] = 60  # of a training job: what it has by then is the best so far
    dollars: Annotated[float, Field(gt=0)] | None = None  # of all training jobs, at list prices
    prefer: Prefer = "balanced"  # which variant of the Pareto front is served


class Canary(Section):
    """How promote: canary and promote: shadow test a version on requests, and what ends the test early.

    Attributes:
        percent: Share of the requests that the version responds to (canary), or is compared on (shadow).
        minutes: Duration.
        max_failures: Share of its requests that it may fail although the live version does not.
        max_slowdown: Its 95th percentile of latency divided by the live version's.
        max_disagreement: Share of labels that may differ from the live version's; of values their root mean square
            difference in standard deviations of the live version's.
    """

    percent: Annotated[float, Field(gt=0, le=100)] = 10
    minutes: Annotated[float, Field(gt=0, le=10080)] = 30
    max_failures: Annotated[float, Field(ge=0, le=1)] = 0.01
    max_slowdown: Annotated[float, Field(gt=0)] = 2
    max_disagreement: Annotated[float, Field(ge=0)] = 0.3
