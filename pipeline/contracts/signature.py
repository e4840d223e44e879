"""The inputs and outputs of a served model. Standard library only: the predict function loads it on a cold start.

The inputs and outputs of the served ONNX file match the signature. It has one input per column, in this order and with
the column's name. Its shape is ``[batch]``, and its type ``float`` for numeric and boolean (``double`` for a numeric
column that is wide), ``string`` for categorical and text, ``double`` for datetime (seconds since 1970 UTC); an image is
``uint8[batch, height, width, channels]``. A missing value is NaN or the empty string.
The outputs, by position: classification and clustering have label ``string[batch]`` and probabilities
``float[batch, classes]``; regression has value ``float[batch]``, and quantiles ``float[batch, quantiles]`` if the
signature has any. With several targets, value is ``float[batch, targets]``. In a multi-label classification, label is
the row's labels, joined by the signature's separator (empty: none), and probabilities has one column per label.
The outputs are named ``label``, ``probabilities``, ``value``, ``quantiles`` unless a column has that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

from pipeline.parsing.dates import TimeUnit
from pipeline.parsing.numbers import PLAIN, NumberFormat

__all__ = ["Column", "ColumnKind", "Signature", "Task", "join_targets", "split_label"]

ColumnKind = Literal["numeric", "categorical", "boolean", "text", "datetime", "image"]
Task = Literal["classification", "regression", "clustering"]

_DATATYPES = {
    "numeric": "FP32",
    "categorical": "BYTES",
    "boolean": "BOOL",
    "text": "BYTES",
    "datetime": "BYTES",  # as ISO 8601
    "image": "UINT8",
}


@dataclass(frozen=True, kw_only=True)  # with slots, generating the class takes twice as long
class Column:
    """One raw column of the user's file that the model reads, and how its cells are written."""

    name: str
    kind: ColumnKind
    shape: tuple[int, ...] = ()  # image only: height, width, channels
    day_first: bool | None = None  # datetime only: 3/4/2024 is 3 April; None: the training file had no such dates
    time_unit: TimeUnit = ""  # datetime only: unit of the file's numbers; empty: the file had dates as text
    number_format: NumberFormat = PLAIN  # numeric only: how the file writes numbers as text
    is_wide: bool = False  # numeric only: float32 would lose its signal, so the model takes float64
    is_code: bool = False  # categorical only: 7.0 equals 7 and True equals true, since other files may use another type
    is_optional: bool = False  # some rows of the training file lacked this key, so a request may lack it too
    aliases: tuple[str, ...] = ()  # other accepted spellings of the name, such as the header's untrimmed one

    @property
    def datatype(self) -> str:
        """Return the column's datatype in the Open Inference Protocol."""
        return "FP64" if self.is_wide else _DATATYPES[self.kind]


@dataclass(frozen=True, kw_only=True)  # with slots, generating the class takes twice as long
class Signature:
    """The columns that a model reads, what it predicts, and how its training file and later files are read.

    With several targets, ``target`` lists all their names, or is the column of the file that lists a row's labels. In a
    multi-label classification ``classes`` are the labels, in the order of ``targets``.

    Attributes:
        task: What the model learned.
        target: Name of the target; empty for clustering.
        columns: Columns that the model reads, in the order of its inputs.
        classes: Labels in the order of the probabilities; for clustering the clusters; empty for regression.
        quantiles: Quantiles that a regression predicts besides the value.
        missing: Markers of a missing value that train.yaml names; None: the usual ones.
        header: ``none`` if the file had no header, so that its columns have invented names.
        encoding: Encoding that train.yaml names; empty: it is detected.
        sheet: Sheet of a workbook that train.yaml names; empty: the first one.
        target_format: Format of the target's numbers; regression only.
        positive: Positive class of two, for precision, recall and F1; empty: the second.
        targets: Names of several targets, or of the columns of the labels; empty for one target.
        separator: Text between the labels of a row; multi-label classification only.
        threshold: Probability from which the positive class is the label; None: labels are the most probable class.
        temperature: Divisor of the trained model's log-probabilities.
        unread: Columns of the training file that the model does not read; later files may have them too.
    """

    task: Task
    target: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()
    missing: tuple[str, ...] | None = None
    header: Literal["auto", "none"] = "auto"
    encoding: str = ""
    sheet: str = ""
    target_format: NumberFormat = PLAIN
    positive: str = ""
    targets: tuple[str, ...] = ()
    separator: str = ""
    threshold: float | None = None
    temperature: float = 1.0
    unread: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the document that ``from_dict`` reads; columns omit defaults, since there may be 10,000 of them."""
        columns = [_compact(column) for column in self.columns]
        return {**asdict(replace(self, columns=())), "columns": columns}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Signature:
        """Parse the document that a version's record holds; fields that a newer release adds are ignored."""
        columns = tuple(map(_column, document["columns"]))
        return cls(**{**_read_fields(cls, document), "columns": columns})

    @property
    def positive_index(self) -> int:
        """Index of the positive class in ``classes``."""
        return self.classes.index(self.positive) if self.positive else 1

    @property
    def target_columns(self) -> tuple[str, ...]:
        """Return the columns of a file that hold the targets; none for clustering."""
        if self.targets and self.target == join_targets(self.targets):
            return self.targets
        return (self.target,) if self.target else ()

    @property
    def is_multilabel(self) -> bool:
        """Return whether a row can have several of the ``classes`` or none, each with its own probability."""
        return self.task == "classification" and bool(self.targets)

    @cached_property
    def quantile_names(self) -> tuple[str, ...]:
        """Return the quantiles as names in a response: ``0.05``."""
        return tuple(f"{quantile:g}" for quantile in self.quantiles)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the ONNX outputs; an underscore is appended if a column has the same name."""
        taken = {column.name for column in self.columns}
        if self.task == "regression":
            names = ("value", "quantiles") if self.quantiles else ("value",)
        else:
            names = ("label", "probabilities")
        return tuple(_free(name, taken) for name in names)


def join_targets(names: Sequence[str]) -> str:
    """Join the names of several targets to one name."""
    return ", ".join(names)


def split_label(joined: str, signature: Signature) -> list[str]:
    """Split the joined labels of a row of a multi-label classification."""
    return joined.split(signature.separator) if joined else []


def _compact(column: Column) -> dict[str, Any]:
    changed = {f.name: value for f in fields(Column) if (value := getattr(column, f.name)) != f.default}
    if "number_format" in changed:
        changed["number_format"] = asdict(column.number_format)
    return changed if column.kind != "datetime" else changed | {"day_first": column.day_first}


def _column(document: Mapping[str, Any]) -> Column:
    # Older releases omitted False, which was the default then.
    day_first = {"day_first": False} if document["kind"] == "datetime" else {}
    return Column(**day_first | _read_fields(Column, document))


def _read_fields(kind: type[Column | Signature], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass that a JSON document has, with tuples for arrays."""
    names = kind.__dataclass_fields__.keys() & document.keys()
    return {name: _read_value(document[name]) for name in names}


def _read_value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return NumberFormat(**value) if isinstance(value, dict) else value


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
