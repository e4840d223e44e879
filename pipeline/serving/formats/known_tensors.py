"""Read binary tensors of numbers whose JSON header was parsed before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.serving.formats.binary_tensors import BINARY_DATATYPES
from pipeline.serving.formats.tensor_forms import ReadKnown
from pipeline.serving.request_decoder import Feeds

__all__ = ["make_number_reader"]

_CONVERTED = frozenset({"BOOL", "BF16"})  # their binary form must be converted to an array


def make_number_reader(header: bytes, inputs: Any, dtypes: Mapping[str, np.dtype[Any]]) -> ReadKnown | None:
    """Return a function that reads further requests with the same header as views of their data.

    Args:
        header: JSON header of a request that was read.
        inputs: ``inputs`` of the header.
        dtypes: Dtype of each input of the graph.

    Returns:
        The function, which returns None for another header or another size of the data; None if the tensors are not all
        inputs of the graph, or if one is not numeric or must be converted.
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
