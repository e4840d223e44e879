"""The metrics: their names, the task that each measures, and other names that people type for them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.signature import Task
from pipeline.contracts.suggestions import did_you_mean

__all__ = [
    "METRIC_ALIASES",
    "Metric",
    "check_metric",
    "check_positive_class",
    "choose_metric",
    "greater_is_better",
    "quality_metric",
    "resolve_metric",
    "task_of_metric",
]

Metric = Literal[
    "accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "auc", "average_precision",
    "log_loss", "mcc", "quadratic_kappa",
    "rmse", "mae", "median_absolute_error", "mape", "rmsle", "pinball", "r2", "d2_absolute_error",
    "silhouette",
]  # fmt: skip

_LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae", "median_absolute_error", "mape", "rmsle", "pinball"})
_METRICS: Mapping[Task, tuple[Metric, ...]] = {
    "classification": (
        "log_loss", "accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_weighted", "auc", "average_precision", "mcc",
        "quadratic_kappa",
    ),
    "regression": ("rmse", "mae", "median_absolute_error", "mape", "rmsle", "pinball", "r2", "d2_absolute_error"),
    "clustering": ("silhouette",),
}  # fmt: skip
_OF_LABELS: tuple[Metric, ...] = ("log_loss", "accuracy", "f1_macro", "f1_micro", "auc", "average_precision")
# Metric of limits.min_quality if the user names no metric.
_QUALITY: Mapping[Task, Metric] = {"classification": "accuracy", "regression": "rmse", "clustering": "silhouette"}

_ALIASES: Mapping[Metric, tuple[str, ...]] = {
    "accuracy": ("acc", "accuracy_score"),
    "f1_micro": ("micro_f1",),
    "balanced_accuracy": ("bal_acc", "balanced_accuracy_score"),
    "f1": ("f1_score", "f1_binary"),
    "f1_macro": ("macro_f1",),
    "f1_weighted": ("weighted_f1",),
    "auc": ("roc_auc", "auroc", "auc_roc", "roc_auc_score", "roc_auc_ovr_weighted"),
    "average_precision": ("ap", "average_precision_score", "auprc", "aucpr", "auc_pr", "pr_auc", "prauc"),
    "log_loss": (
        "logloss", "neg_log_loss", "cross_entropy", "crossentropy",
        "multi_logloss", "binary_logloss", "nll",
    ),
    "mcc": ("matthews_corrcoef", "matthews"),
    "quadratic_kappa": ("qwk", "quadratic_weighted_kappa", "cohen_kappa_quadratic"),
    "rmse": ("root_mean_squared_error", "neg_root_mean_squared_error"),
    "mae": ("mean_absolute_error", "neg_mean_absolute_error", "l1"),
    "median_absolute_error": ("medae", "neg_median_absolute_error"),
    "mape": ("mean_absolute_percentage_error", "neg_mean_absolute_percentage_error"),
    "rmsle": ("root_mean_squared_log_error", "neg_root_mean_squared_log_error"),
    "pinball": ("mean_pinball_loss", "pinball_loss", "quantile", "quantile_loss"),
    "r2": ("r2_score", "r_squared"),
    "d2_absolute_error": ("d2", "d2_absolute_error_score"),
    "silhouette": ("silhouette_score",),
}  # fmt: skip
METRIC_ALIASES: Mapping[str, Metric] = {alias: metric for metric, aliases in _ALIASES.items() for alias in aliases}

_HINTS_BY_SENTENCE: Mapping[str, tuple[str, ...]] = {
    "average_precision (of one class's ranking) or mape (a percentage error) is expected": ("map",),
    "its unit is squared; its root ranks models the same: metric: rmse":
        ("mse", "l2", "mean_squared_error", "neg_mean_squared_error"),
    "its root ranks models the same: metric: rmsle":
        ("msle", "mean_squared_log_error", "neg_mean_squared_log_error"),
    "the supported percentage error is metric: mape": ("smape",),
    "it is one minus the accuracy: metric: accuracy": ("error", "error_rate"),
    "it is 2 x auc - 1 and ranks models the same: metric: auc": ("gini",),
    "every card shows it; metric: log_loss judges probabilities too":
        ("brier", "brier_score_loss", "neg_brier_score"),
    "quadratic_kappa (ordered classes) or mcc (unordered ones) is expected":
        ("kappa", "cohen_kappa", "cohen_kappa_score"),
    "auc weights the classes by their rows (scikit-learn's roc_auc_ovr_weighted): metric: auc": ("roc_auc_ovr",),
    "auc is one class against the rest (scikit-learn's roc_auc_ovr_weighted): metric: auc": ("roc_auc_ovo",),
    "alone it is best for a model that hardly ever says yes: f1 or average_precision is expected": ("precision",),
    "alone it is best for a model that always says yes: f1 or balanced_accuracy is expected":
        ("recall", "sensitivity"),
    "alone it is best for a model that always says no: f1 or balanced_accuracy is expected": ("specificity",),
    "the supported F score is metric: f1": ("fbeta",),
    "ranking is not supported: a metric of classification or regression is expected": ("ndcg", "mrr"),
    "survival analysis is not supported: a metric of classification or regression is expected":
        ("c_index", "concordance_index"),
    "forecasting is not supported: mae is the same up to a factor": ("mase",),
}  # fmt: skip
_HINTS = {name: sentence for sentence, names in _HINTS_BY_SENTENCE.items() for name in names}


def resolve_metric(name: str) -> str:
    """Return the metric for its own name, or for its name in scikit-learn and other tools.

    Raises:
        ValueError: There is no such metric; the message suggests one.
    """
    typed = re.sub(r"[\s\-.]+", "_", name.strip().lower())
    metrics = get_args(Metric)
    if typed in metrics:
        return typed
    if typed in METRIC_ALIASES:
        return METRIC_ALIASES[typed]
    hint = _HINTS.get(typed) or did_you_mean(typed, metrics)
    raise ValueError(f"unknown metric '{name[:60]}': {hint}")


def choose_metric(metric: Metric | None, dataset: Dataset) -> Metric:
    """Return the metric that candidates are compared by: ``metric`` if train.yaml names one.

    Otherwise log loss for classification, average precision for two imbalanced classes, RMSE for regression, R2 for
    regression of several targets, since their units may differ, and the silhouette for clustering.
    """
    if metric is not None:
        return metric
    if dataset.targets and dataset.task == "regression":
        return "r2"
    return "average_precision" if dataset.positive and dataset.is_imbalanced else _METRICS[dataset.task][0]


def quality_metric(named: Metric | None, chosen_by: str) -> Metric:
    """Return the metric that ``limits.min_quality`` bounds.

    Args:
        named: Metric that train.yaml names, which is the result; None: it names none.
        chosen_by: Metric that candidates are compared by; its task determines accuracy, RMSE or silhouette.
    """
    if named is not None:
        return named
    if chosen_by in _OF_LABELS:
        return _QUALITY["classification"]
    return next(_QUALITY[task] for task, metrics in _METRICS.items() if chosen_by in metrics)


def greater_is_better(metric: str) -> bool:
    """Return whether a greater value of the metric is better."""
    return metric not in _LOWER_IS_BETTER


def check_metric(metric: Metric, task: Task, classes: Sequence[str] = (), *, has_several: bool = False) -> Metric:
    """Return ``metric`` if it measures the task.

    Args:
        metric: Name of the metric.
        task: Task of the run.
        classes: Classes of a classification.
        has_several: Whether there are several targets; the classes are then labels, and a row can have several.

    Raises:
        InvalidJobSpecError: The metric does not measure ``task``, or does not fit the classes: ``f1`` needs two
            classes, and ``quadratic_kappa`` needs classes that are numbers.
    """
    fitting = _OF_LABELS if has_several and task == "classification" else _METRICS[task]
    if metric == "f1_micro" and fitting is _METRICS["classification"]:
        raise InvalidJobSpecError("metric 'f1_micro' equals the accuracy where a row has one label: metric: accuracy")
    if metric not in fitting:
        measured = "several labels per row" if fitting is _OF_LABELS else task
        raise InvalidJobSpecError(
            f"metric '{metric}' does not measure {measured}: one of {', '.join(fitting)} is expected"
        )
    if metric == "f1" and len(classes) > 2:
        raise InvalidJobSpecError(
            f"metric 'f1' is for two classes, and the target has {len(classes)}: f1_macro (classes count equally) or "
            "f1_weighted (by their rows) is expected"
        )
    if metric == "quadratic_kappa" and not all(map(_is_number, classes)):
        raise InvalidJobSpecError(
            "metric 'quadratic_kappa' is for ordered classes, whose labels are numbers: mcc is expected for others"
        )
    return metric


def check_positive_class(label: str | None, classes: Sequence[str]) -> None:
    """Check a positive class against the classes.

    Raises:
        InvalidJobSpecError: ``label`` is not None, and there are not two classes or it is not one of them.
    """
    if label is None:
        return
    if len(classes) != 2:
        raise InvalidJobSpecError(f"positive_class is for a target with two classes, and this one has {len(classes)}")
    if label not in classes:
        raise InvalidJobSpecError(f"positive_class: there is no class '{label}': {did_you_mean(label, classes)}")


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def task_of_metric(metric: Metric | None) -> Task | None:
    """Return the supervised task that ``metric`` measures; None if it measures none."""
    if metric in _OF_LABELS:
        return "classification"
    return next((task for task, metrics in _METRICS.items() if metric in metrics and task != "clustering"), None)
