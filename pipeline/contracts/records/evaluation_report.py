"""The sections of a model card on the winner's test rows, by which nothing was chosen."""

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
    """A cluster of the test rows. ``middle``: of its rows, a number's median and a category's most frequent value."""

    name: str
    rows: int
    middle: dict[str, float | str]


class ClassQuality(Record):
    """Precision, recall and F1 of one class on the test rows, by scikit-learn's ``precision_recall_fscore_support``.

    ``rows``: of the class; ``labeled``: labeled so; both are counts, while weights count in the ratios. 0 where a ratio
    has nothing below its line.
    """

    label: str
    rows: int
    labeled: int
    precision: float
    recall: float
    f1: float


class TargetQuality(Record):
    """Quality of one of several targets on the test rows, with 95 % intervals.

    ``rows``: of a label those that have it, else all.
    """

    target: str
    rows: int
    quality: dict[str, float]
    interval: dict[str, tuple[float, float]]


class DecisionReport(Record):
    """How probabilities and labels come about, and what that changes on the test rows.

    ``temperature`` and ``threshold``: as records.decision.Decision has them. ``log_loss`` and ``calibration_error``:
    without the temperature, and with it. ``by_most_probable``: the positive class's quality, were the most probable
    class the label; None where it is. ``out_of_fold``: on the rows that both were found on, cross-fitted.
    """

    temperature: float
    threshold: float | None
    log_loss: tuple[float, float]
    calibration_error: tuple[float, float]
    by_most_probable: ClassQuality | None = None
    out_of_fold: DecisionFit | None = None


class Confusion(Record):
    """``counts[i][j]``: test rows of class i that were answered with class j.

    Beyond the most frequent classes the last one, ``others``, stands for the rest of them.
    """

    classes: tuple[str, ...]
    others: bool = False
    counts: tuple[tuple[int, ...], ...]


class Bin(Record):
    """Rows whose largest probability is in [low, high): its mean, and the fraction of right labels."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


class Calibration(Record):
    """Whether probabilities can be taken at their word: bins of the largest probability of a row.

    ``error``: the expected calibration error (Naeini et al. 2015), the mean gap of the bins by their rows. ``brier``:
    scikit-learn's ``brier_score_loss``: 0 to 1 for two classes, 0 to 2 for more.
    """

    bins: tuple[Bin, ...]
    error: float
    brier: float


class IntervalCoverage(Record):
    """Of a quantile: which share of the test rows lies at or below it. ``width``: between the outermost two, in the
    target's unit; ``within``: the share of rows between them."""

    below: tuple[tuple[float, float], ...]
    wanted: float
    within: float
    width: float


class Segment(Record):
    """The metric of the test rows with this value of a column, with a 95 % interval; ``worse``: it ends before the
    metric of all rows, from which it is more than 5 % away."""

    column: str
    value: str
    rows: int
    quality: float
    interval: tuple[float, float]
    worse: bool = False


class PermutationImportance(Record):
    """By how much the metric gets worse when the column is shuffled (Breiman 2001).

    ``spread``: the standard deviation over the repeats.
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
    """``dollars``: the seconds at the list price of the queue's dearest machine; None: of no known price."""

    job: str
    device: str
    seconds: float
    dollars: float | None = None
