"""The predictions of the served file for the test rows, which no earlier choice has used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import Feeds, OnnxModel, feeds, truth

__all__ = ["HoldoutEvaluation"]


@dataclass(frozen=True, kw_only=True)
class HoldoutEvaluation:
    """The evaluation of a served file on the test rows; predictions and metrics are computed once.

    Args:
        signature: Signature of the served file.
        metric: Metric that candidates were compared by.
        served: The served file.
        test: The test rows.
        weight: Weight of each row [rows]; None: all count the same.
    """

    signature: Signature
    metric: str
    served: OnnxModel
    test: pl.DataFrame
    weight: npt.NDArray[np.float64] | None = None

    @cached_property
    def rows(self) -> Feeds:
        """Return the test rows as inputs of the file."""
        return feeds(self.test, self.signature)

    @cached_property
    def truth(self) -> npt.NDArray[Any]:
        """Return labels or values [rows]."""
        return truth(self.test, self.signature)

    @cached_property
    def predictions(self) -> Predictions:
        """Return the predictions of the file."""
        return self.served.run(self.rows)

    @cached_property
    def quality(self) -> dict[str, float]:
        """Return all metrics."""
        return measure(self.signature, self.truth, self.predictions, weight=self.weight)

    @cached_property
    def unweighted_quality(self) -> dict[str, float]:
        """Return all metrics without row weights; empty if the rows have no weights."""
        return {} if self.weight is None else measure(self.signature, self.truth, self.predictions)

    @cached_property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval of each metric."""
        return interval(self.signature, self.truth, self.predictions, weight=self.weight)

    def weight_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64] | None:
        """Return the weights of these rows."""
        return None if self.weight is None else self.weight[rows]

    @property
    def sign(self) -> int:
        """Return 1 if a greater value of the metric is better, else -1."""
        return 1 if greater_is_better(self.metric) else -1
