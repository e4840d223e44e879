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

METRIC_ALIASES: Mapping[str, Metric] = {
    "acc": "accuracy",
    "accuracy_score": "accuracy",
    "micro_f1": "f1_micro",
    "bal_acc": "balanced_accuracy",
    "balanced_accuracy_score": "balanced_accuracy",
    "f1_score": "f1",
    "f1_binary": "f1",
    "macro_f1": "f1_macro",
    "weighted_f1": "f1_weighted",
    "roc_auc": "auc",
    "auroc": "auc",
    "auc_roc": "auc",
    "roc_auc_score": "auc",
    "roc_auc_ovr_weighted": "auc",
    "ap": "average_precision",
    "average_precision_score": "average_precision",
    "auprc": "average_precision",
    "aucpr": "average_precision",
    "auc_pr": "average_precision",
    "pr_auc": "average_precision",
    "prauc": "average_precision",
    "logloss": "log_loss",
    "neg_log_loss": "log_loss",
    "cross_entropy": "log_loss",
    "crossentropy": "log_loss",
    "multi_logloss": "log_loss",
    "binary_logloss": "log_loss",
    "nll": "log_loss",
    "matthews_corrcoef": "mcc",
    "matthews": "mcc",
    "qwk": "quadratic_kappa",
    "quadratic_weighted_kappa": "quadratic_kappa",
    "cohen_kappa_quadratic": "quadratic_kappa",
    "root_mean_squared_error": "rmse",
    "neg_root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "neg_mean_absolute_error": "mae",
    "l1": "mae",
    "medae": "median_absolute_error",
    "neg_median_absolute_error": "median_absolute_error",
    "mean_absolute_percentage_error": "mape",
    "neg_mean_absolute_percentage_error": "mape",
    "root_mean_squared_log_error": "rmsle",
    "neg_root_mean_squared_log_error": "rmsle",
    "mean_pinball_loss": "pinball",
    "pinball_loss": "pinball",
    "quantile": "pinball",
    "quantile_loss": "pinball",
    "r2_score": "r2",
    "r_squared": "r2",
    "d2": "d2_absolute_error",
    "d2_absolute_error_score": "d2_absolute_error",
    "silhouette_score": "silhouette",
}

_SQUARE = "its unit is squared; its root ranks models the same: metric: rmse"
_HINTS: Mapping[str, str] = {
    "map": "average_precision (of one class's ranking) or mape (a percentage error) is expected",
    "mse": _SQUARE,
    "l2": _SQUARE,
    "mean_squared_error": _SQUARE,
    "neg_mean_squared_error": _SQUARE,
    "msle": "its root ranks models the same: metric: rmsle",
    "mean_squared_log_error": "its root ranks models the same: metric: rmsle",
    "neg_mean_squared_log_error": "its root ranks models the same: metric: rmsle",
    "smape": "the supported percentage error is metric: mape",
    "error": "it is one minus the accuracy: metric: accuracy",
    "error_rate": "it is one minus the accuracy: metric: accuracy",
    "gini": "it is 2 x auc - 1 and ranks models the same: metric: auc",
    "brier": "every card shows it; metric: log_loss judges probabilities too",
    "brier_score_loss": "every card shows it; metric: log_loss judges probabilities too",
    "neg_brier_score": "every card shows it; metric: log_loss judges probabilities too",
    "kappa": "quadratic_kappa (ordered classes) or mcc (unordered ones) is expected",
    "cohen_kappa": "quadratic_kappa (ordered classes) or mcc (unordered ones) is expected",
    "cohen_kappa_score": "quadratic_kappa (ordered classes) or mcc (unordered ones) is expected",
    "roc_auc_ovr": "auc weights the classes by their rows (scikit-learn's roc_auc_ovr_weighted): metric: auc",
    "roc_auc_ovo": "auc is one class against the rest (scikit-learn's roc_auc_ovr_weighted): metric: auc",
    "precision": "alone it is best for a model that hardly ever says yes: f1 or average_precision is expected",
    "recall": "alone it is best for a model that always says yes: f1 or balanced_accuracy is expected",
    "sensitivity": "alone it is best for a model that always says yes: f1 or balanced_accuracy is expected",
    "specificity": "alone it is best for a model that always says no: f1 or balanced_accuracy is expected",
    "fbeta": "the supported F score is metric: f1",
    "ndcg": "ranking is not supported: a metric of classification or regression is expected",
    "mrr": "ranking is not supported: a metric of classification or regression is expected",
    "c_index": "survival analysis is not supported: a metric of classification or regression is expected",
    "concordance_index": "survival analysis is not supported: a metric of classification or regression is expected",
    "mase": "forecasting is not supported: mae is the same up to a factor",
}  # fmt: skip


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
