"""What a served model takes and gives. Standard library only: the predict function loads it on a cold start.

The served ONNX file agrees with it: one input per column, in this order, named as the column, shape ``[batch]``
(``float`` for numeric and boolean, ``string`` for categorical); a missing value is NaN or the empty string.
The outputs, by position: classification gives label ``string[batch]`` and probabilities ``float[batch, classes]``,
regression gives value ``float[batch]``. They are named ``label``, ``probabilities``, ``value`` unless a column has
that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Column", "ColumnKind", "Signature", "Task"]

ColumnKind = Literal["numeric", "categorical", "boolean"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One raw column of the user's file that the model reads."""

    name: str
    kind: ColumnKind

    @property
    def datatype(self) -> str:
        """Its datatype in the Open Inference Protocol."""
        return {"numeric": "FP32", "categorical": "BYTES", "boolean": "BOOL"}[self.kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """``classes`` are the labels in the order of the probabilities; empty for regression."""

    task: Task
    target: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Signature:
        return cls(
            task=document["task"],
            target=document["target"],
            columns=tuple(Column(name=c["name"], kind=c["kind"]) for c in document["columns"]),
            classes=tuple(document["classes"]),
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the ONNX outputs; an underscore is added where a column has taken the name."""
        taken = {column.name for column in self.columns}
        wanted = ("label", "probabilities") if self.task == "classification" else ("value",)
        return tuple(_free(name, taken) for name in wanted)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
