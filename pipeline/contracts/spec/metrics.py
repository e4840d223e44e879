"""The metrics: their names, what each measures, and other names that people type for them."""

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
# What quality means to a user who names no metric, as in limits.min_quality.
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
    """Return the metric that ``name`` means: itself, or what scikit-learn and other tools call it.

    Raises:
        ValueError: There is no such metric; the sentence says which is meant.
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
    """Return what candidates are compared by: ``metric`` where train.yaml names one.

    Else the log loss, of two imbalanced classes average precision, of a regression the RMSE (of several
    targets, whose units need not be alike, R2), of clusters the silhouette.
    """
    if metric is not None:
        return metric
    if dataset.targets and dataset.task == "regression":
        return "r2"
    return "average_precision" if dataset.positive and dataset.is_imbalanced else _METRICS[dataset.task][0]


def quality_metric(named: Metric | None, chosen_by: str) -> Metric:
    """Return what ``limits.min_quality`` is of.

    Args:
        named: The metric that train.yaml names; it is that.
        chosen_by: The metric that candidates are compared by; else accuracy, RMSE or silhouette, by its task.
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
    """Return ``metric``; ``has_several``: the classes are labels, of which a row has any number.

    Raises:
        InvalidJobSpecError: It does not measure ``task``, or not these classes: ``f1`` is of two classes, and
            ``quadratic_kappa`` of classes that are numbers.
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
        InvalidJobSpecError: It is given, and ``classes`` are not two with it among them.
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
    """Return the supervised task that ``metric`` measures; None when there is none such."""
    if metric in _OF_LABELS:
        return "classification"
    return next((task for task, metrics in _METRICS.items() if metric in metrics and task != "clustering"), None)
