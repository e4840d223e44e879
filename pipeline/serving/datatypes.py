"""Datatypes of the Open Inference Protocol: their binary forms, JSON types, and the columns that accept them."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.contracts.signature import ColumnKind

__all__ = ["BINARY_FORMS", "CODES", "ELEMENTS", "NUMBERS", "RANGES", "TABLE_DATATYPES", "JsonTypes"]

BINARY_FORMS: Mapping[str, str] = {  # datatype -> numpy's code of an element's binary form
    "BOOL": "u1",
    "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "BF16": "<u2",  # the upper 16 bits of a float32
}  # fmt: skip

JsonTypes = frozenset[type]
_FLOATS: JsonTypes = frozenset({float, int, type(None)})
_INTEGERS: JsonTypes = frozenset({int, type(None)})
_TEXTS: Mapping[str, JsonTypes] = {"BYTES": frozenset({str, type(None)})}
NUMBERS: Mapping[str, JsonTypes] = {
    **dict.fromkeys(("FP32", "FP64", "FP16", "BF16"), _FLOATS),
    **{f"{sign}{bits}": _INTEGERS for sign in ("INT", "UINT") for bits in (8, 16, 32, 64)},
}
# kind of column -> accepted datatype -> JSON types of its elements. As an extension, null is a missing value.
ELEMENTS: Mapping[ColumnKind, Mapping[str, JsonTypes]] = {
    "numeric": {**NUMBERS, **_TEXTS},
    "boolean": {"BOOL": frozenset({bool, int, type(None)}), **NUMBERS, **_TEXTS},
    "categorical": _TEXTS,
    "text": _TEXTS,
    "datetime": {**_TEXTS, **NUMBERS},
    "image": {"UINT8": frozenset({int})},
}
CODES = {**_TEXTS, **NUMBERS}
TABLE_DATATYPES = frozenset({"FP32", "FP64", "INT8", "INT16", "INT32", "UINT8", "UINT16", "UINT32"})
RANGES: Mapping[str, tuple[float, float]] = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "FP16": (-65504, 65504),
}
