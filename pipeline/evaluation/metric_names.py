"""The metrics by the names that scikit-learn gives them, whose definitions they have."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SKLEARN_NAMES"]

SKLEARN_NAMES: Mapping[str, str] = {
    "accuracy": "accuracy_score",
    "auc": "roc_auc_score",
    "log_loss": "log_loss",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "r2": "r2_score",
    "silhouette": "silhouette_score",
    "brier": "brier_score_loss",
}
