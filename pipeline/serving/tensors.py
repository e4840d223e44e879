"""The Open Inference Protocol v2 in JSON, read: one input tensor a column, flat or nested row-major."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import ColumnKind
from pipeline.serving.cells import json_kind
from pipeline.serving.columns import Columns, Feeds, shown
from pipeline.serving.image_cells import split_images

__all__ = ["TensorDecoder"]

_PARTS = ("name", "shape", "datatype", "data")
_parts_of = itemgetter(*_PARTS)
_Types = frozenset[type]
_FLOATS: _Types = frozenset({float, int, type(None)})
_INTEGERS: _Types = frozenset({int, type(None)})
_TEXTS: Mapping[str, _Types] = {"BYTES": frozenset({str, type(None)})}
_NUMBERS: Mapping[str, _Types] = {
    **dict.fromkeys(("FP32", "FP64"), _FLOATS),
    **{f"{sign}{bits}": _INTEGERS for sign in ("INT", "UINT") for bits in (8, 16, 32, 64)},
}
# What a kind of column takes: datatype -> the types of its elements in JSON; null is a missing value, as an extension.
_ELEMENTS: Mapping[ColumnKind, Mapping[str, _Types]] = {
    "numeric": _NUMBERS,
    "boolean": {"BOOL": frozenset({bool, type(None)})},
    "categorical": _TEXTS,
    "text": _TEXTS,
    "datetime": {**_TEXTS, **_NUMBERS},
    "image": {"UINT8": frozenset({int})},
}


class TensorDecoder:
    """Made once a model."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._elements = {name: _ELEMENTS[kind] for name, kind in columns.kinds.items()}

    def __call__(self, inputs: Any) -> Feeds:
        """Raise InvalidRequestError for a tensor that is no column's, twice there, or of a wrong shape or datatype."""
        if type(inputs) is not list:
            raise InvalidRequestError(f"inputs: an array of tensors is expected, not {json_kind(inputs)}")
        found: dict[str, list[Any]] = {}
        for number, tensor in enumerate(inputs):
            name, data = self._read(tensor, number)
            if name in found:
                raise InvalidRequestError(f"inputs[{number}]: '{shown(name)}' is there already, one is expected")
            found[name] = data
        if found.keys() != self._elements.keys():
            self._columns.check_names(found, "inputs")
        self._check_lengths(found)
        names = list(found)
        rows = [dict(zip(names, cells)) for cells in zip(*found.values())]  # noqa: B905 - the lengths are checked
        return self._columns.feeds(rows, _where)

    def _read(self, tensor: Any, number: int) -> tuple[str, list[Any]]:
        """A tensor's name, and one value a row."""
        try:
            name, shape, datatype, data = _parts_of(tensor)
            elements = self._elements[name][datatype]
        except (KeyError, TypeError):
            return _explain(tensor, f"inputs[{number}]", self._columns.kinds), []
        if type(data) is not list:
            raise InvalidRequestError(f"input '{shown(name)}', data: an array is expected, not {json_kind(data)}")
        if self._columns.kinds[name] == "image":
            return name, split_images(data, shape, self._columns.shapes[name], f"input '{shown(name)}'")
        if list in map(type, data):
            data = _flat(data, name)
        if shape not in ([len(data)], [len(data), 1]):
            count = len(data)
            raise InvalidRequestError(
                f"input '{shown(name)}': the shape [{count}] or [{count}, 1] is expected, its data has {count} elements"
            )
        if not elements.issuperset(map(type, data)):
            wrong = next(place for place, element in enumerate(data) if type(element) not in elements)
            raise InvalidRequestError(
                f"{_where(wrong, name)}: {datatype} or null is expected, this is {json_kind(data[wrong])}"
            )
        return name, data

    def _check_lengths(self, found: Mapping[str, list[Any]]) -> None:
        first, *others = found
        rows = len(found[first])
        self._columns.check_count(rows, "inputs")
        for name in others:
            if len(found[name]) != rows:
                raise InvalidRequestError(
                    f"inputs: '{shown(name)}' has {len(found[name])} elements and '{shown(first)}' has {rows}, "
                    "one a row is expected"
                )


def _explain(tensor: Any, where: str, kinds: Mapping[str, ColumnKind]) -> str:
    """Say what is wrong with a tensor. One that is only no column's goes on by its name: those are said together."""
    if type(tensor) is not dict:
        raise InvalidRequestError(f"{where}: an object is expected, not {json_kind(tensor)}")
    if absent := [part for part in _PARTS if part not in tensor]:
        raise InvalidRequestError(f"{where} lacks {', '.join(absent)}: a tensor has {', '.join(_PARTS)}")
    name: Any = tensor["name"]
    if type(name) is not str:
        raise InvalidRequestError(f"{where}, name: text is expected, not {json_kind(name)}")
    if name in kinds:
        wanted = ", ".join(_ELEMENTS[kinds[name]])
        raise InvalidRequestError(f"input '{shown(name)}', datatype: one of {wanted} is expected")
    return name


def _flat(data: list[Any], name: str) -> list[Any]:
    for number, row in enumerate(data):
        if type(row) is not list or len(row) != 1:
            raise InvalidRequestError(
                f"input '{shown(name)}', data[{number}]: an array of one element is expected, as others are"
            )
    return [row[0] for row in data]


def _where(row: int, column: str) -> str:
    return f"input '{shown(column)}', element {row}"
