"""Read binary tensors of numbers whose header is the same as one that was parsed before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.serving.formats.binary_tensors import BINARY_DATATYPES
from pipeline.serving.formats.tensor_forms import ReadKnown
from pipeline.serving.request_decoder import Feeds

__all__ = ["learn_numbers"]

_CONVERTED = frozenset({"BOOL", "BF16"})  # their binary form is not the array's


def learn_numbers(header: bytes, inputs: Any, dtypes: Mapping[str, np.dtype[Any]]) -> ReadKnown | None:
    """Return a function that views the data of further requests with this header; None if it is not numbers alone.

    Args:
        header: JSON of a request that was read.
        inputs: Its ``inputs``.
        dtypes: Dtype of each input of the graph.
    """
    views = []
    end = 0
    try:
        for tensor in inputs:
            name, datatype, shape = tensor["name"], tensor["datatype"], tuple(tensor["shape"])
            dtype, size = BINARY_DATATYPES[datatype], tensor["parameters"]["binary_data_size"]
            if datatype in _CONVERTED or dtype != dtypes[name] or math.prod(shape) * dtype.itemsize != size:
                return None
            views.append((name, shape, dtype, end))
            end += size
    except (KeyError, TypeError):
        return None
    if {name for name, *_ in views} != dtypes.keys() or len(views) != len(dtypes):
        return None

    def read(sent: bytes, data: bytes) -> Feeds | None:
        if sent != header or len(data) != end:
            return None
        return {name: np.ndarray(shape, dtype, data, start) for name, shape, dtype, start in views}

    return read
