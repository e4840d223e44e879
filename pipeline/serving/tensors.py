"""The Open Inference Protocol v2 in JSON, read: one input tensor a column, flat or nested row-major."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import ColumnKind
from pipeline.serving.cells import json_kind
from pipeline.serving.columns import Columns, Feeds, shown

__all__ = ["decode_tensors"]

_PARTS = ("name", "shape", "datatype", "data")
_parts_of = itemgetter(*_PARTS)
_Types = frozenset[type]
_FLOATS: _Types = frozenset({float, int, type(None)})
_INTEGERS: _Types = frozenset({int, type(None)})
# What a kind of column takes: datatype -> the types of its elements in JSON; null is a missing value, as an extension.
_ELEMENTS: Mapping[ColumnKind, Mapping[str, _Types]] = {
    "numeric": {
        **dict.fromkeys(("FP32", "FP64"), _FLOATS),
        **{f"{sign}{bits}": _INTEGERS for sign in ("INT", "UINT") for bits in (8, 16, 32, 64)},
    },
    "boolean": {"BOOL": frozenset({bool, type(None)})},
    "categorical": {"BYTES": frozenset({str, type(None)})},
}


def decode_tensors(inputs: Any, columns: Columns) -> Feeds:
    """Raise InvalidRequestError for a tensor that is no column's, twice there, or of a wrong shape, type or length."""
    if type(inputs) is not list:
        raise InvalidRequestError(f"inputs: an array of tensors is expected, not {json_kind(inputs)}")
    found: dict[str, list[Any]] = {}
    for number, tensor in enumerate(inputs):
        name = _name(tensor, f"inputs[{number}]")
        if name in found:
            raise InvalidRequestError(
                f"inputs[{number}]: '{shown(name)}' is there already, one tensor a column is expected"
            )
        found[name] = _data(tensor, f"input '{shown(name)}'", columns.kinds.get(name))
    columns.check_names(found, "inputs")
    _check_lengths(found, columns)
    return columns.feeds([dict(zip(found, cells, strict=True)) for cells in zip(*found.values(), strict=True)], _where)


def _name(tensor: Any, where: str) -> str:
    if type(tensor) is not dict:
        raise InvalidRequestError(f"{where}: an object is expected, not {json_kind(tensor)}")
    if absent := [part for part in _PARTS if part not in tensor]:
        raise InvalidRequestError(f"{where} lacks {' and '.join(absent)}: a tensor has {', '.join(_PARTS)}")
    if type(tensor["name"]) is not str:
        raise InvalidRequestError(f"{where}, name: text is expected, not {json_kind(tensor['name'])}")
    return tensor["name"]


def _data(tensor: Mapping[str, Any], where: str, kind: ColumnKind | None) -> list[Any]:
    """One value a row. An unknown column (``kind`` None) is said with the others, when all are known."""
    _, shape, datatype, data = _parts_of(tensor)
    if kind is None:
        return []
    elements = _ELEMENTS[kind].get(datatype) if type(datatype) is str else None
    if elements is None:
        raise InvalidRequestError(
            f"{where}: its datatype is not one of {', '.join(_ELEMENTS[kind])}, which are expected"
        )
    if type(data) is not list:
        raise InvalidRequestError(f"{where}, data: an array is expected, not {json_kind(data)}")
    data = _flat(data, where)
    if shape not in ([len(data)], [len(data), 1]):
        raise InvalidRequestError(
            f"{where}: its data has {len(data)} elements, and its shape is not [{len(data)}] or [{len(data)}, 1]"
        )
    if not elements.issuperset(map(type, data)):
        wrong = next(number for number, element in enumerate(data) if type(element) not in elements)
        raise InvalidRequestError(f"{where}, element {wrong}: {json_kind(data[wrong])} is no {datatype}")
    return data


def _flat(data: list[Any], where: str) -> list[Any]:
    if not any(type(element) is list for element in data):
        return data
    for number, row in enumerate(data):
        if type(row) is not list or len(row) != 1:
            raise InvalidRequestError(
                f"{where}, data[{number}]: an array of one element is expected, as the others are"
            )
    return [row[0] for row in data]


def _check_lengths(found: Mapping[str, list[Any]], columns: Columns) -> None:
    (first, data), *others = found.items()
    columns.check_count(len(data), "inputs")
    for name, other in others:
        if len(other) != len(data):
            raise InvalidRequestError(
                f"inputs: '{shown(name)}' has {len(other)} elements and '{shown(first)}' has {len(data)}, "
                "the same number of rows is expected"
            )


def _where(row: int, column: str) -> str:
    return f"input '{shown(column)}', element {row}"
