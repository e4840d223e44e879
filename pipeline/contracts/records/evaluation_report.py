"""Sections of a model card, measured for the winner on the test rows, which no choice depended on."""

from __future__ import annotations

from pipeline.contracts.record import Record
from pipeline.contracts.records.decision import DecisionFit

__all__ = [
    "Bin",
    "Calibration",
    "ClassQuality",
    "Cluster",
    "Confusion",
    "DecisionReport",
    "Drift",
    "IntervalCoverage",
    "JobCost",
    "PermutationImportance",
    "Segment",
    "TargetQuality",
]


class Cluster(Record):
    """A cluster of the test rows.

    Attributes:
        name: Number of the cluster.
        rows: Number of test rows in the cluster.
        middle: Median of each numeric column, and most frequent value of each categorical one.
    """

    name: str
    rows: int
    middle: dict[str, float | str]


class ClassQuality(Record):
    """Precision, recall and F1 of one class on the test rows, by scikit-learn's ``precision_recall_fscore_support``.

    Ratios are weighted, and 0 if their denominator is 0.

    Attributes:
        label: The class.
        rows: Number of rows of the class.
        labeled: Number of rows that are predicted as the class.
        precision: Fraction of the labeled rows that are of the class.
        recall: Fraction of the class's rows that are labeled as the class.
        f1: Harmonic mean of precision and recall.
    """

    label: str
    rows: int
    labeled: int
    precision: float
    recall: float
    f1: float


class TargetQuality(Record):
    """Quality of one of several targets on the test rows.

    Attributes:
        target: Name of the target.
        rows: Number of rows; for a label, number of rows that have it.
        quality: All metrics.
        interval: 95 % interval of each metric.
    """

    target: str
    rows: int
    quality: dict[str, float]
    interval: dict[str, tuple[float, float]]


class DecisionReport(Record):
    """The decision of a classifier, and its effect on the test rows.

    Attributes:
        temperature: As in records.decision.Decision.
        threshold: As in records.decision.Decision.
        log_loss: Log loss without and with the temperature.
        calibration_error: Expected calibration error without and with the temperature.
        by_most_probable: Quality of the positive class if labels were the most probable class; None: they are.
        out_of_fold: The effect on the rows that the decision was fitted to, cross-fitted.
    """

    temperature: float
    threshold: float | None
    log_loss: tuple[float, float]
    calibration_error: tuple[float, float]
    by_most_probable: ClassQuality | None = None
    out_of_fold: DecisionFit | None = None


class Confusion(Record):
    """The confusion matrix of the test rows.

    Attributes:
        classes: The most frequent classes.
        others: Whether a last row and column stand for all other classes.
        counts: ``counts[i][j]`` rows of class i are predicted as class j.
    """

    classes: tuple[str, ...]
    others: bool = False
    counts: tuple[tuple[int, ...], ...]


class Bin(Record):
    """The rows whose largest probability is in [low, high).

    Attributes:
        low: Lower bound.
        high: Upper bound.
        rows: Number of rows.
        confidence: Mean of the largest probability.
        accuracy: Fraction of correct labels.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


class Calibration(Record):
    """The calibration of a classifier on the test rows.

    Attributes:
        bins: Bins of the largest probability of a row.
        error: Expected calibration error (Naeini et al. 2015).
        brier: scikit-learn's ``brier_score_loss``: 0 to 1 for two classes, 0 to 2 for more.
    """

    bins: tuple[Bin, ...]
    error: float
    brier: float


class IntervalCoverage(Record):
    """The coverage of predicted quantiles on the test rows.

    Attributes:
        below: Each quantile, and the fraction of rows at or below its prediction.
        wanted: Nominal fraction of rows between the outermost quantiles.
        within: Fraction of rows between them.
        width: Mean distance between them, in the target's unit.
    """

    below: tuple[tuple[float, float], ...]
    wanted: float
    within: float
    width: float


class Segment(Record):
    """Quality of the test rows with one value of a column.

    Attributes:
        column: Name of the column.
        value: The value, or a range of numbers.
        rows: Number of rows.
        quality: The plan's metric.
        interval: 95 % interval of the metric.
        worse: Whether the interval excludes the metric of all rows, and the metric is worse by more than 5 %.
    """

    column: str
    value: str
    rows: int
    quality: float
    interval: tuple[float, float]
    worse: bool = False


class PermutationImportance(Record):
    """The permutation importance of a column (Breiman 2001, Random Forests).

    Attributes:
        column: Name of the column.
        drop: Mean deterioration of the metric when the column is shuffled.
        spread: Standard deviation over the repeats.
    """

    column: str
    drop: float
    spread: float


class Drift(Record):
    """The population stability index of a column (or the target) between the training rows and a split's."""

    column: str
    split: str
    index: float


class JobCost(Record):
    """The cost of a job.

    Attributes:
        job: Name of the job.
        device: Device that it trained on.
        seconds: Seconds of all attempts.
        dollars: Price of these seconds at the list price of the queue's most expensive machine; None: unknown.
    """

    job: str
    device: str
    seconds: float
    dollars: float | None = None
