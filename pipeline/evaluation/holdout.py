"""The predictions of the served file for the test rows, by which nothing was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import Feeds, OnnxModel, feeds, truth

__all__ = ["HoldoutEvaluation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldoutEvaluation:
    """The predictions of a served file for the test rows, and their quality.

    Args:
        signature: Signature of the served file.
        metric: Metric that candidates were compared by.
        served: The served file.
        test: The test rows.
        rows: The test rows as inputs of the file.
        truth: Labels or values [rows].
        predictions: Predictions of the file.
        quality: All metrics.
        bounds: 95 % interval of each metric.
        weight: Weight of each row [rows]; None: all count the same.
        unweighted_quality: All metrics without the weights, if there are weights.
    """

    signature: Signature
    metric: str
    served: OnnxModel
    test: pl.DataFrame
    rows: Feeds
    truth: npt.NDArray[Any]
    predictions: Predictions
    quality: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    weight: npt.NDArray[np.float64] | None = None
    unweighted_quality: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        signature: Signature,
        metric: str,
        model: bytes,
        test: pl.DataFrame,
        weight: npt.NDArray[np.float64] | None = None,
    ) -> Self:
        """Predict all test rows with the served file, once."""
        served, rows, y_true = OnnxModel(model), feeds(test, signature), truth(test, signature)
        predictions = served.run(rows)
        return cls(
            signature=signature,
            metric=metric,
            served=served,
            test=test,
            rows=rows,
            truth=y_true,
            predictions=predictions,
            weight=weight,
            quality=measure(signature, y_true, predictions, weight=weight),
            unweighted_quality={} if weight is None else measure(signature, y_true, predictions),
            bounds=interval(signature, y_true, predictions, weight=weight),
        )

    def weight_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64] | None:
        """Return the weights of these rows."""
        return None if self.weight is None else self.weight[rows]

    @property
    def sign(self) -> int:
        """Return the factor of the metric, 1 or -1, with which greater is better."""
        return 1 if greater_is_better(self.metric) else -1
