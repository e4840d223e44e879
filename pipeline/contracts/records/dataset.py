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
    "LeftOut",
    "SplitRows",
    "can_bag",
]

# Hidden columns of the split files of learning rows; files of older versions lack them, and no model reads them.
GROUP = "__group__"  # UInt64, equal for exact copies of a row, or for the same value of split.column
TIME = "__time__"  # Float64 that grows with time; only where the rows are split by time

DatePart = Literal["trend", "year", "month", "day", "weekday", "hour", "season", "clock"]


class ColumnProfile(Record):
    """A feature column.

    In the split files numeric is Float32 (Float64 where it is wide), boolean is Float32 (0, 1), categorical and text
    are String, datetime is Float64 (seconds since 1970 UTC), an image is Binary (its bytes, row by row, channels last);
    missing is null.
    ``vocabulary`` (categorical only) holds the values seen in the training split, most frequent first; what is not
    in it is unknown to the model. Statistics are of the training split.
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
    shape: tuple[int, ...] = ()  # image only: height, width, channels
    parts: tuple[DatePart, ...] = ()  # datetime only: what of it differs from row to row (graphs.dates)
    day_first: bool | None = None  # these as contracts.signature.Column has them
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


class LeftOut(Record):
    """A column that no model reads, and why: row number, constant, empty, arrays, dropped."""

    name: str
    reason: str


class SplitRows(Record):
    """Number of rows in each split."""

    train: int
    validation: int
    test: int


BAG_FOLDS = 5
_MAX_BAG_ROWS = 100_000  # that models learn from; of more a validation split is measured as well as all of them
_MAX_BAG_PIXELS = 20_000_000  # of the images of all these rows
RARE_SHARE = 0.05  # of the training rows: the rarer of two classes below it makes them imbalanced
RARE_FRACTION = 0.2  # of its even share: one of more classes below it does
LABEL_CLASSES = ("no", "yes")  # values of a label's column in the split files
MAX_UNREAD = 500  # names of dropped columns in a signature


class Dataset(Record):
    """The splits are parquet files (names.RunKeys.split) of the feature columns and the target.

    Those that models learn from, train and validation, also have the hidden columns GROUP and TIME.

    Of several ``targets`` each has a column: Float64, or String of LABEL_CLASSES for each label of a multi-label
    classification, whose labels are ``classes`` in this order and whose ``class_rows`` are the rows that have them.
    ``target`` then names all of them, or the column of the file that lists a row's labels.

    The target is String for classification (values are those of ``classes``), Float64 for regression; it has no nulls.
    Clustering has no target: its name is empty. ``weight`` names the column of the rows' weights (Float32, positive),
    which is in the split files and no feature. ``split_by``: as job_spec.Split has it.
    """

    task: Task
    target: str
    columns: tuple[ColumnProfile, ...]
    left_out: tuple[LeftOut, ...] = ()
    classes: tuple[str, ...] = ()
    class_rows: tuple[int, ...] = ()  # of the training split, in the order of classes
    rows: SplitRows
    set_aside: int = 0  # rows that could not be read, or that have no target
    warnings: tuple[str, ...] = ()
    sha256: str  # of the uploaded file
    weight: str | None = None
    code_sha256: str | None = None  # of the model.py that was brought along
    split_by: Literal["random", "time", "group"] = "random"
    missing: tuple[str, ...] | None = None  # these as contracts.signature.Signature has them
    header: Literal["auto", "none"] = "auto"
    encoding: str = ""
    sheet: str = ""
    target_format: NumberFormat = PLAIN
    default_target: bool = False  # no target was named: it is the last column
    likely_target: str = ""  # the column that is more likely meant than the default one
    targets: tuple[str, ...] = ()  # of several: their columns in the split files; of one target none
    separator: str = ""  # as contracts.signature.Signature has it
    hints: tuple[str, ...] = ()  # those of the warnings that say what else the rows look like, with the line to add
    named_positive: str = ""  # class that train.yaml names as the positive one

    @property
    def is_multilabel(self) -> bool:
        """Return whether a row has any number of the classes."""
        return self.task == "classification" and bool(self.targets)

    def of_target(self, number: int) -> Dataset:
        """Return the data set of one of several targets, by its number from 0; a label has the classes no and yes."""
        alone = {"target": self.targets[number], "targets": (), "separator": ""}
        if not self.is_multilabel:
            return self.model_copy(update=alone)
        rows = self.class_rows[number]
        classes = {"classes": LABEL_CLASSES, "class_rows": (self.rows.train - rows, rows)}
        return self.model_copy(update={**alone, **classes, "named_positive": LABEL_CLASSES[1]})

    @property
    def rarest_class(self) -> tuple[str, float] | None:
        """Return the class with the fewest training rows, and its fraction of them; None without classes."""
        total = sum(self.class_rows)
        if self.targets or len(self.classes) < 2 or not total:
            return None
        rows, label = min(zip(self.class_rows, self.classes, strict=True))
        return label, rows / total

    @property
    def is_imbalanced(self) -> bool:
        """Return whether a class is rare: under 5 % of the training rows, of more than two a fifth of its share."""
        if self.rarest_class is None:
            return False
        _, share = self.rarest_class
        return share < (RARE_SHARE if len(self.classes) == 2 else RARE_FRACTION / len(self.classes))

    @property
    def positive(self) -> str:
        """Return the positive class of two; empty if there are not two classes, or several labels.

        It is the one that train.yaml names; else the rarer of imbalanced classes; else the second in sorted order, as
        scikit-learn takes 1 of 0 and 1.
        """
        if self.targets or len(self.classes) != 2:
            return ""
        if self.named_positive in self.classes:
            return self.named_positive
        rarest = self.rarest_class
        return rarest[0] if rarest is not None and self.is_imbalanced else self.classes[1]

    @property
    def _unread(self) -> tuple[str, ...]:
        """Return the first columns of the file that are no features; a version's record has no room for all."""
        names = (*(column.name for column in self.left_out), *filter(None, [self.weight]))
        return names[:MAX_UNREAD]

    @property
    def signature(self) -> Signature:
        """Return the signature of models trained on it; the clusters of a clustering are its candidate's own."""
        return self.signature_of(self.classes)

    def signature_of(
        self,
        classes: tuple[str, ...],
        quantiles: tuple[float, ...] = (),
        decision: Decision | None = None,
        pruned: tuple[str, ...] = (),
    ) -> Signature:
        """Return the signature of a model that answers with these classes (none: the data set's own), or quantiles.

        ``decision``: how its scores become probabilities and labels; None: as they are, and the most probable class.
        ``pruned``: columns that the model does not read.
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
    """Return whether candidates are trained as bags over folds of all rows but the test rows.

    Not where there are more than 100,000 such rows, or their images have more than 20 million values; not of
    clusterings. Some candidates cannot be a bag whatever the data (training.trainer).
    """
    rows = dataset.rows.train + dataset.rows.validation
    pixels = sum(math.prod(column.shape) for column in dataset.columns if column.kind == "image")
    return rows <= _MAX_BAG_ROWS and rows * pixels <= _MAX_BAG_PIXELS and dataset.task != "clustering"
