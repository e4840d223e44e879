"""The Dataset: a file that was read, typed, profiled and split."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Literal

from pipeline.contracts.record import Record
from pipeline.contracts.records.decision import Decision
from pipeline.contracts.signature import Column, ColumnKind, Signature, Task
from pipeline.parsing.dates import TimeUnit
from pipeline.parsing.numbers import PLAIN, NumberFormat

__all__ = [
    "BAG_FOLDS",
    "GROUP",
    "LABEL_CLASSES",
    "TIME",
    "ColumnProfile",
    "Dataset",
    "DatePart",
    "Dropped",
    "SplitRows",
    "can_bag",
]

# Hidden columns of the files of the splits train and validation, which no model reads. Older releases wrote none.
GROUP = "__group__"  # UInt64, equal for exact copies of a row, or for the same value of split.column
TIME = "__time__"  # Float64 that increases with time; present only if the rows are split by time

DatePart = Literal["trend", "year", "month", "day", "weekday", "hour", "season", "clock"]


class ColumnProfile(Record):
    """A feature column, with statistics of the training split.

    Types in the split files: numeric is Float32 (Float64 if wide), boolean is Float32 (0 or 1), categorical and text
    are String, datetime is Float64 (seconds since 1970 UTC), an image is Binary (its bytes, row by row, channels last).
    Missing values are null.

    Attributes:
        name: Name of the column.
        kind: Kind of its values.
        missing: Number of missing values.
        distinct: Number of distinct values.
        mean: Mean; this and the other statistics are None for kinds without an order.
        std: Standard deviation.
        minimum: Smallest value.
        median: Median.
        maximum: Largest value.
        vocabulary: Categorical only: the values of the training split, most frequent first; others are unknown to
            models.
        shape: Images only: height, width, channels.
        parts: Datetime only: the date parts that differ between rows (graphs.dates).
        day_first: For this and the following fields see contracts.signature.Column.
    """

    name: str
    kind: ColumnKind
    missing: int
    distinct: int
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    median: float | None = None
    maximum: float | None = None
    vocabulary: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    parts: tuple[DatePart, ...] = ()
    day_first: bool | None = None
    time_unit: TimeUnit = ""
    number_format: NumberFormat = PLAIN
    is_wide: bool = False
    is_code: bool = False
    is_optional: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def column(self) -> Column:
        """Return the column as a model's signature has it."""
        return Column(**{field.name: getattr(self, field.name) for field in fields(Column)})


class Dropped(Record):
    """A column that no model reads, and why: row number, constant, empty, arrays, dropped."""

    name: str
    reason: str


class SplitRows(Record):
    """Number of rows in each split."""

    train: int
    validation: int
    test: int


BAG_FOLDS = 5
_MAX_BAG_ROWS = 100_000  # training and validation rows; with more rows a validation split is as precise as folds
_MAX_BAG_PIXELS = 20_000_000  # pixel values of the images of all training and validation rows
BINARY_RARE_FRACTION = 0.05  # fraction of the training rows below which the rarer of two classes is rare
RARE_FRACTION = 0.2  # the same limit for more than two classes, as a fraction of an even share (1 / classes)
LABEL_CLASSES = ("no", "yes")  # values of a label's column in the split files
MAX_UNREAD = 500  # maximum number of columns that a signature names as not read


class Dataset(Record):
    """A typed, profiled data set, whose splits are parquet files (RunKeys.split) of the features and the target.

    The splits train and validation also have the hidden columns GROUP and TIME. The target is String for
    classification, with the values of ``classes``, and Float64 for regression; it has no nulls. Clustering has no
    target.

    With several targets, each target has a column: Float64 for regression, or String of LABEL_CLASSES for each label of
    a multi-label classification. ``classes`` are then the labels, in this order, and ``class_rows`` counts the rows
    that have them.

    Attributes:
        task: What is learned.
        target: Name of the target; for several targets all names, or the column that lists labels; empty for
            clustering.
        columns: The feature columns.
        left_out: The columns that no model reads.
        classes: Labels; empty for regression and clustering.
        class_rows: Number of training rows of each class.
        rows: Number of rows of each split.
        set_aside: Number of rows that were rejected: they could not be read, or have no target.
        warnings: Warnings for the user.
        sha256: Hash of the uploaded file.
        weight: Column of the rows' weights (Float32, positive), which is in the split files; None: there is none.
        code_sha256: Hash of the user's model.py; None: there is none.
        split_by: How rows are split (job_spec.Split).
        missing: For this and the fields up to ``target_format`` see contracts.signature.Signature.
        default_target: Whether the target is the last column because none was named.
        likely_target: Column that is more likely the target than the default one; empty: there is none.
        targets: Columns of several targets; empty for one target.
        separator: See contracts.signature.Signature.
        hints: Warnings that another task or split may fit the rows, with the line to add to train.yaml.
        named_positive: Positive class that train.yaml names; empty: it names none.
    """

    task: Task
    target: str
    columns: tuple[ColumnProfile, ...]
    left_out: tuple[Dropped, ...] = ()
    classes: tuple[str, ...] = ()
    class_rows: tuple[int, ...] = ()
    rows: SplitRows
    set_aside: int = 0
    warnings: tuple[str, ...] = ()
    sha256: str
    weight: str | None = None
    code_sha256: str | None = None
    split_by: Literal["random", "time", "group"] = "random"
    missing: tuple[str, ...] | None = None
    header: Literal["auto", "none"] = "auto"
    encoding: str = ""
    sheet: str = ""
    target_format: NumberFormat = PLAIN
    default_target: bool = False
    likely_target: str = ""
    targets: tuple[str, ...] = ()
    separator: str = ""
    hints: tuple[str, ...] = ()
    named_positive: str = ""

    @property
    def is_multilabel(self) -> bool:
        """Return whether a row can have several of the classes, or none."""
        return self.task == "classification" and bool(self.targets)

    def of_target(self, number: int) -> Dataset:
        """Return the data set of one of several targets, by its index; a label has the classes no and yes."""
        alone = {"target": self.targets[number], "targets": (), "separator": ""}
        if not self.is_multilabel:
            return self.model_copy(update=alone)
        rows = self.class_rows[number]
        classes = {"classes": LABEL_CLASSES, "class_rows": (self.rows.train - rows, rows)}
        return self.model_copy(update={**alone, **classes, "named_positive": LABEL_CLASSES[1]})

    @property
    def rarest_class(self) -> tuple[str, float] | None:
        """Return the class with the fewest training rows, and its fraction of the rows; None without classes."""
        total = sum(self.class_rows)
        if self.targets or len(self.classes) < 2 or not total:
            return None
        rows, label = min(zip(self.class_rows, self.classes, strict=True))
        return label, rows / total

    @property
    def is_imbalanced(self) -> bool:
        """Return whether a class is rare.

        It has less than 5 % of the training rows, or with more than two classes less than a fifth of an even share.
        """
        if self.rarest_class is None:
            return False
        _, fraction = self.rarest_class
        return fraction < (BINARY_RARE_FRACTION if len(self.classes) == 2 else RARE_FRACTION / len(self.classes))

    @property
    def positive(self) -> str:
        """Return the positive class of two classes; empty for any other number of classes, and for several labels.

        It is the class that train.yaml names; else the rarer one of imbalanced classes; else the second one in sorted
        order, as scikit-learn takes 1 for the labels 0 and 1.
        """
        if self.targets or len(self.classes) != 2:
            return ""
        if self.named_positive in self.classes:
            return self.named_positive
        rarest = self.rarest_class
        return rarest[0] if rarest is not None and self.is_imbalanced else self.classes[1]

    @property
    def _unread(self) -> tuple[str, ...]:
        """Return the first MAX_UNREAD columns that are not features; a version's record has no room for more."""
        names = (*(column.name for column in self.left_out), *filter(None, [self.weight]))
        return names[:MAX_UNREAD]

    @property
    def signature(self) -> Signature:
        """Return the signature of models trained on this data set, without the clusters of a clustering."""
        return self.signature_of(self.classes)

    def signature_of(
        self,
        classes: tuple[str, ...],
        quantiles: tuple[float, ...] = (),
        decision: Decision | None = None,
        pruned: tuple[str, ...] = (),
    ) -> Signature:
        """Return the signature of a model.

        Args:
            classes: Classes of the model; empty: those of the data set.
            quantiles: Quantiles that a regression predicts.
            decision: Temperature and threshold; None: probabilities are unchanged, labels are the most probable class.
            pruned: Columns that the model does not read.
        """
        decision = decision or Decision()
        columns = tuple(column.column for column in self.columns if column.name not in pruned)
        return Signature(
            task=self.task,
            target=self.target,
            columns=columns,
            classes=classes or self.classes,
            quantiles=quantiles,
            missing=self.missing,
            header=self.header,
            encoding=self.encoding,
            sheet=self.sheet,
            target_format=self.target_format,
            positive=self.positive,
            targets=self.targets,
            separator=self.separator,
            threshold=decision.threshold,
            temperature=decision.temperature,
            unread=(*pruned, *self._unread)[:MAX_UNREAD],
        )


def can_bag(dataset: Dataset) -> bool:
    """Return whether candidates are trained as bags over folds of the training and validation rows.

    They are not if there are more than 100,000 such rows, if the images of these rows have more than 20 million values
    together, or for clustering. Some candidates cannot be a bag, whatever the data (training.trainer).
    """
    rows = dataset.rows.train + dataset.rows.validation
    pixels = sum(math.prod(column.shape) for column in dataset.columns if column.kind == "image")
    return rows <= _MAX_BAG_ROWS and rows * pixels <= _MAX_BAG_PIXELS and dataset.task != "clustering"
