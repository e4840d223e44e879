"""What a candidate's quality is worth beside that of others."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.contracts.job_spec import greater_is_better

__all__ = ["shown", "standing"]

_OF_LOG_LOSS = 0.2  # of few rows a row is half a percent: what they are sure of tells more than how many are right


def standing(quality: Mapping[str, float], metric: str, *, by_folds: bool = False) -> float:
    """Greater is better. ``by_folds``: of few rows, each answered out of its fold; accuracy then has log loss in it.

    On 18 small tables such a choice errs less on rows that test than that by accuracy alone (decision 12).
    """
    if by_folds and metric == "accuracy":
        return quality["accuracy"] - _OF_LOG_LOSS * quality["log_loss"]
    return quality[metric] if greater_is_better(metric) else -quality[metric]


def shown(quality: Mapping[str, float], metric: str, *, by_folds: bool = False) -> str:
    """What standing looks at, in words."""
    told = f"{quality[metric]:.6g}"
    return f"{told}, log loss {quality['log_loss']:.4g}" if by_folds and metric == "accuracy" else told
