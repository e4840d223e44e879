"""Choose how the threshold of a classification is set, from the JobSpec and the data set."""

from __future__ import annotations

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.decision import ARGMAX, ThresholdRule
from pipeline.contracts.spec.job_spec import JobSpec

__all__ = ["check_threshold", "threshold_rule"]


def threshold_rule(spec: JobSpec, dataset: Dataset) -> ThresholdRule:
    """Return how the threshold is chosen.

    A number in the JobSpec is the threshold. Otherwise it is tuned for two imbalanced classes, or if
    ``threshold_metric`` is named; else labels are the most probable class. Private training tunes no threshold, since
    that would reveal information about the rows.
    """
    if not dataset.positive:
        return ARGMAX
    if spec.threshold != "auto":
        return ARGMAX if spec.threshold == 0.5 else ThresholdRule(value=spec.threshold)
    if spec.training.privacy is not None or not (dataset.is_imbalanced or spec.threshold_metric):
        return ARGMAX
    return ThresholdRule(is_tuned=True, metric=spec.threshold_metric or "f1", recall=spec.threshold_recall or 0.0)


def check_threshold(spec: JobSpec, dataset: Dataset) -> None:
    """Check that the requested threshold is possible.

    Raises:
        InvalidJobSpecError: There are not two classes, or the training is private.
    """
    setting = "threshold_metric" if spec.threshold_metric else "threshold" if spec.threshold != "auto" else ""
    if setting and not dataset.positive:
        target = f"one with {len(dataset.classes)}" if dataset.classes else f"a {dataset.task}"
        raise InvalidJobSpecError(f"{setting} is for a target with two classes, and this is {target}")
    if spec.threshold_metric and spec.training.privacy is not None:
        raise InvalidJobSpecError(
            "threshold_metric: a threshold that is tuned on rows reveals something about them, which "
            "training.privacy forbids: a number is expected for threshold"
        )
