"""Run an uploaded graph unchanged, and explain in one sentence why it cannot be run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from pipeline.brought.inputs import GraphInput
from pipeline.brought.limits import MAX_MEMORY_BYTES
from pipeline.contracts.errors import InvalidModelError

__all__ = ["open_session", "run_graph"]

_ROWS_PER_CALL = 64
_FATAL_ONLY = 4
_LOADING = re.compile(r"Node \((?P<name>[^)]*)\) Op \((?P<operator>\w+)\) (?:\[\w+\] )?(?P<reason>[^\n]*)")
_RUNNING = re.compile(r"running (?P<operator>\w+) node\. Name:'(?P<name>[^']*)' Status Message: (?P<reason>[^\n]*)")
_MISSING = re.compile(r"implementation for (?P<operator>[\w.]+)\((?P<version>\d+)\) node with name '(?P<name>[^']*)'")
_MEMORY = ("Failed to allocate memory", "bad_alloc", "std::bad_array_new_length")
_SOURCE = re.compile(r"^/\S+:\d+ .*?\) (?=\S)")  # location in onnxruntime's source, before the reason


def open_session(content: bytes, file: str) -> onnxruntime.InferenceSession:
    """Create a session on one thread.

    Raises:
        InvalidModelError: onnxruntime rejects the graph, or there is too little memory.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no narrower common base
        raise InvalidModelError(_explain(error, file)) from None


def run_graph(
    model: onnx.ModelProto, inputs: Sequence[GraphInput], feeds: Mapping[str, npt.NDArray[Any]], file: str
) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs of a graph for rows; a graph with a batch of one is run row by row.

    Raises:
        InvalidModelError: The graph cannot be loaded or run, or has a fixed batch of more than one row.
    """
    session = open_session(model.SerializeToString(), file)
    step = _rows_per_call(model, inputs, file)
    arrays = {graph_input.name: graph_input.array(feeds) for graph_input in inputs}
    count = len(next(iter(arrays.values())))
    names = [output.name for output in session.get_outputs()]
    blocks: list[list[Any]] = []
    for start in range(0, count, step):
        try:
            blocks.append(session.run(names, {name: array[start : start + step] for name, array in arrays.items()}))
        except Exception as error:  # noqa: BLE001 - as above
            raise InvalidModelError(_explain(error, file)) from None
    outputs = {}
    for name, pieces in zip(names, zip(*blocks, strict=True), strict=True):
        rows = [np.atleast_1d(block) if isinstance(block, np.ndarray) else block for block in pieces]
        for block in rows:
            if not isinstance(block, np.ndarray) or len(block) not in {step, count % step or step}:
                shape = list(getattr(block, "shape", ()))
                raise InvalidModelError(
                    f"{file}: the output '{name}' has the shape {shape} for {min(step, count)} rows, and one entry for "
                    "each row is expected"
                )
        outputs[name] = np.concatenate(rows)
    return outputs


def _rows_per_call(model: onnx.ModelProto, inputs: Sequence[GraphInput], file: str) -> int:
    names = {graph_input.name for graph_input in inputs}
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input if value.name in names}
    sizes = {name: shape[0].dim_value for name, shape in shapes.items() if len(shape) and shape[0].dim_value}
    for name, size in sizes.items():
        if size > 1:
            raise InvalidModelError(
                f"{file}: the input '{name}' takes exactly {size} rows: export it with a batch of any size"
            )
    return 1 if sizes else _ROWS_PER_CALL


def _explain(error: Exception, file: str) -> str:
    text = str(error)
    node = _RUNNING.search(text) or _LOADING.search(text)
    where = f"node '{node['name']}' ({node['operator']})" if node else "the graph"
    if any(sign in text for sign in _MEMORY) or isinstance(error, MemoryError):
        return (
            f"{file} needs more memory than the predict function has for a model ({MAX_MEMORY_BYTES >> 20:,} MB): "
            f"{where} asked for more"
        )
    if missing := _MISSING.search(text):
        return f"{file}: node '{missing['name']}' ({missing['operator']}) cannot be run: onnxruntime has no code for it"
    if node:
        return f"{file}: {where} cannot be run: {_SOURCE.sub('', node['reason'].strip())[:300]}"
    reason = text.rpartition(" : ")[2].strip() if text.startswith("[ONNXRuntimeError]") else text
    return f"{file} cannot be run by onnxruntime: {(reason.splitlines() or [type(error).__name__])[0][:300]}"
