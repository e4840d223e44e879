"""What a served model takes and gives. Standard library only: the predict function loads it on a cold start.

The served ONNX file agrees with it: one input per column, in this order, named as the column, shape ``[batch]``:
``float`` for numeric and boolean, ``string`` for categorical and text, ``double`` for datetime (seconds since 1970
UTC); an image is ``uint8[batch, height, width, channels]``. A missing value is NaN or the empty string.
The outputs, by position: classification and clustering give label ``string[batch]`` and probabilities
``float[batch, classes]``, regression gives value ``float[batch]``, and where the signature has quantiles also these,
``float[batch, quantiles]``. They are named ``label``, ``probabilities``, ``value``, ``quantiles`` unless a column has
that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Column", "ColumnKind", "Signature", "Task"]

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One raw column of the user's file that the model reads. ``shape``: an image's height, width, channels.

    ``day_first``: of a datetime column, how 3/4/2024 is read (contracts.dates).
    """

    name: str
    kind: ColumnKind
    shape: tuple[int, ...] = ()
    day_first: bool = False

    @property
    def datatype(self) -> str:
        """Its datatype in the Open Inference Protocol."""
        return _DATATYPES[self.kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """``classes`` are the labels in the order of the probabilities (of clustering, its clusters); regression has none.

    ``target`` is empty for clustering. ``quantiles``: of a regression that answers with intervals.
    """

    task: Task
    target: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Signature:
        return cls(
            task=document["task"],
            target=document["target"],
            columns=tuple(_column(column) for column in document["columns"]),
            classes=tuple(document["classes"]),
            quantiles=tuple(document.get("quantiles", ())),
        )

    @property
    def quantile_names(self) -> tuple[str, ...]:
        """As an answer calls them: ``0.05``."""
        return tuple(f"{quantile:g}" for quantile in self.quantiles)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the ONNX outputs; an underscore is added where a column has taken the name."""
        taken = {column.name for column in self.columns}
        if self.task == "regression":
            wanted = ("value", "quantiles") if self.quantiles else ("value",)
        else:
            wanted = ("label", "probabilities")
        return tuple(_free(name, taken) for name in wanted)


def _column(document: Mapping[str, Any]) -> Column:
    return Column(
        name=document["name"],
        kind=document["kind"],
        shape=tuple(document.get("shape", ())),
        day_first=document.get("day_first", False),
    )


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
