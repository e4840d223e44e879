"""The learning curves of a candidate, written while it trains."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["CURVES", "TrainingCurves"]

CURVES = "curves.json"  # a candidate's file (object_keys.RunKeys.candidate), rewritten every few seconds


class TrainingCurves(Record):
    """Learning curves of a candidate.

    There is a point per epoch, or for boosting every few trees; it has ``epoch`` or ``tree``, and ``validation_loss``.
    The points of a network also have ``loss``, ``learning_rate``, ``rows_per_second``, ``memory_mb``, ``seconds`` and
    the plan's metric. Boosting that is stopped by ``auc`` has ``auc`` instead of the loss. With one model per fold,
    points have ``fold``, and are those of the fold that trains at present.
    """

    candidate: str
    points: tuple[dict[str, float], ...]
