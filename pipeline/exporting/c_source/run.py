"""Compile a model's C source and predict with it, to compare it with the ONNX file."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from pipeline.contracts.errors import ConfigurationError
from pipeline.exporting.c_source.source import CSource, identifier
from pipeline.exporting.c_source.tensors import CTensor

__all__ = ["find_compiler", "run_compiled"]

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")


def find_compiler() -> str | None:
    """Return the path of a C compiler; None if there is none."""
    return next((path for name in _COMPILERS if (path := shutil.which(name))), None)


def run_compiled(source: CSource, feeds: Mapping[str, npt.NDArray[Any]], compiler: str) -> list[npt.NDArray[Any]]:
    """Return the outputs of the compiled source for each row.

    Args:
        source: The translated model.
        feeds: Inputs by name, each ``[rows, ...]``.
        compiler: Path of a C compiler.

    Returns:
        The graph's outputs in their order, each ``[rows, ...]``.

    Raises:
        ConfigurationError: The compiler fails.
    """
    graph = source.graph
    row_type = _structure("Row", {field: graph.tensors[column] for column, field in source.fields.items()})
    outputs = {identifier(name): graph.tensors[name] for name in graph.outputs}
    prediction_type = _structure("Prediction", outputs)
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as folder:
        predict = getattr(ctypes.CDLL(str(_compile(source, Path(folder), compiler))), f"{source.name}_predict")
        predict.restype = None
        rows = len(next(iter(feeds.values())))
        predictions = [prediction_type() for _ in range(rows)]
        for index, prediction in enumerate(predictions):
            row = row_type()
            for column, field in source.fields.items():
                _set(row, field, graph.tensors[column], feeds[column][index])
            predict(ctypes.byref(row), ctypes.byref(prediction))
        return [_collect(predictions, field, tensor) for field, tensor in outputs.items()]


def _compile(source: CSource, folder: Path, compiler: str) -> Path:
    (folder / f"{source.name}.h").write_text(source.header)
    (folder / f"{source.name}.c").write_text(source.source)
    library = folder / f"{source.name}.so"
    command = [compiler, *_FLAGS, "-o", str(library), str(folder / f"{source.name}.c"), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no message"])[0]
        raise ConfigurationError(f"{compiler} cannot compile {source.name}.c: {reason}")
    return library


def _structure(name: str, members: Mapping[str, CTensor]) -> Any:
    fields = [(field, _member_type(tensor)) for field, tensor in members.items()]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def _member_type(tensor: CTensor) -> Any:
    if tensor.dtype == TensorProto.STRING:
        element: Any = ctypes.c_char_p
    else:
        element = np.ctypeslib.as_ctypes_type(helper.tensor_dtype_to_np_dtype(tensor.dtype))
    return element * tensor.size if tensor.size > 1 else element


def _set(row: Any, field: str, tensor: CTensor, cell: Any) -> None:
    if tensor.dtype == TensorProto.STRING:
        setattr(row, field, str(cell).encode())
    elif tensor.size > 1:
        setattr(row, field, _member_type(tensor)(*np.ravel(cell).tolist()))
    else:
        setattr(row, field, np.asarray(cell).item())


def _collect(predictions: Sequence[Any], field: str, tensor: CTensor) -> npt.NDArray[Any]:
    cells = [getattr(prediction, field) for prediction in predictions]
    if tensor.dtype == TensorProto.STRING:
        return np.array([cell.decode() for cell in cells], dtype=object)
    if tensor.size == 1 and len(tensor.shape) == 1:
        return np.array(cells)
    return np.array([list(cell) if tensor.size > 1 else [cell] for cell in cells])
