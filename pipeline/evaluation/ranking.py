"""What a candidate's quality is worth beside that of others."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.contracts.spec.metrics import greater_is_better

__all__ = ["ranking_score", "score_label", "shown"]

# Of few rows a row is half a percent: confidence says more than the count of right ones.
_LOG_LOSS_WEIGHT = 0.2


def ranking_score(quality: Mapping[str, float], metric: str, *, by_folds: bool = False) -> float:
    """Greater is better. ``by_folds``: of few rows, each answered out of its fold; accuracy then has log loss in it.

    On 18 small tables such a choice errs less on rows that test than that by accuracy alone (decision 12).
    """
    if _with_log_loss(metric, by_folds=by_folds):
        return quality["accuracy"] - _LOG_LOSS_WEIGHT * quality["log_loss"]
    return quality[metric] if greater_is_better(metric) else -quality[metric]


def score_label(metric: str, *, by_folds: bool = False) -> str:
    """What standing is, in words: the best accuracy may be another candidate's."""
    return f"accuracy − {_LOG_LOSS_WEIGHT:g} × log loss" if _with_log_loss(metric, by_folds=by_folds) else metric


def shown(quality: Mapping[str, float], metric: str, *, by_folds: bool = False) -> str:
    """The numbers that standing looks at."""
    told = f"{quality[metric]:.6g}"
    return f"{told}, log loss {quality['log_loss']:.4g}" if _with_log_loss(metric, by_folds=by_folds) else told


def _with_log_loss(metric: str, *, by_folds: bool) -> bool:
    return by_folds and metric == "accuracy"
