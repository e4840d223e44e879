"""Datatypes of the Open Inference Protocol that are numbers."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BINARY_FORMS"]

BINARY_FORMS: Mapping[str, str] = {  # datatype -> numpy's code of an element's binary form
    "BOOL": "u1",
    "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "BF16": "<u2",  # the upper half of a float32
}  # fmt: skip
