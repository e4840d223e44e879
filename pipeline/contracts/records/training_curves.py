"""The learning curves of a candidate, written while it trains."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["CURVES", "TrainingCurves"]

CURVES = "curves.json"  # a candidate's file (object_keys.RunKeys.candidate), rewritten every few seconds


class TrainingCurves(Record):
    """``points``: one an epoch, or some trees, each with ``epoch`` or ``tree``, and ``validation_loss``.

    A network's also have ``loss``, ``learning_rate``, ``rows_per_second``, ``memory_mb``, ``seconds`` and the plan's
    metric. Boosting stopped by ``auc`` has it and no loss; with one model per fold it has ``fold``, and the points are
    those of the fold that trains.
    """

    candidate: str
    points: tuple[dict[str, float], ...]
