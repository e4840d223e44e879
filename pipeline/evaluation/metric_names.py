"""The metrics' names in scikit-learn, whose definitions they follow."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SKLEARN_NAMES"]

SKLEARN_NAMES: Mapping[str, str] = {
    "accuracy": "accuracy_score",
    "balanced_accuracy": "balanced_accuracy_score",
    "f1": "f1_score",
    "f1_macro": "f1_score",
    "f1_micro": "f1_score",
    "f1_weighted": "f1_score",
    "auc": "roc_auc_score",
    "average_precision": "average_precision_score",
    "log_loss": "log_loss",
    "mcc": "matthews_corrcoef",
    "quadratic_kappa": "cohen_kappa_score",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "median_absolute_error": "median_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "rmsle": "root_mean_squared_log_error",
    "pinball": "mean_pinball_loss",
    "r2": "r2_score",
    "d2_absolute_error": "d2_absolute_error_score",
    "silhouette": "silhouette_score",
    "brier": "brier_score_loss",
}
