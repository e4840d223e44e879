"""The test rows, which nothing was chosen by, and what the served file answered to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy.typing as npt
import polars as pl

from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Answers
from pipeline.evaluation.scoring import Feeds, OnnxModel, feeds, truth

__all__ = ["HoldoutEvaluation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldoutEvaluation:
    """``metric``: what candidates were compared by. ``quality``, ``bounds``: of all metrics, their 95 % intervals."""

    signature: Signature
    metric: str
    served: OnnxModel
    test: pl.DataFrame
    rows: Feeds
    truth: npt.NDArray[Any]
    answers: Answers
    quality: dict[str, float]
    bounds: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, signature: Signature, metric: str, model: bytes, test: pl.DataFrame) -> Self:
        """The served file is asked once for all rows."""
        served, rows, wanted = OnnxModel(model), feeds(test, signature), truth(test, signature)
        answers = served.run(rows)
        return cls(
            signature=signature,
            metric=metric,
            served=served,
            test=test,
            rows=rows,
            truth=wanted,
            answers=answers,
            quality=measure(signature, wanted, answers),
            bounds=interval(signature, wanted, answers),
        )

    @property
    def sign(self) -> int:
        """What the metric is multiplied by so that greater is better."""
        return 1 if greater_is_better(self.metric) else -1
