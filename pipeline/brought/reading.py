"""Turn an uploaded ONNX file into a candidate: check it, verify its served form, and describe its data set."""

from __future__ import annotations

import hashlib
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.brought.description import BroughtTask, Description, ModelRows
from pipeline.brought.graph import load_graph
from pipeline.brought.inputs import read_inputs
from pipeline.brought.locales import use_served_locale
from pipeline.brought.outputs import check_outputs, read_outputs, remove_maps
from pipeline.brought.rows import CalibrationFile, make_feeds
from pipeline.brought.running import run_graph
from pipeline.brought.served import served_graphs
from pipeline.compression.passes.quantization.quantization_graph import weighted_layers
from pipeline.contracts.errors import InvalidModelError
from pipeline.contracts.object_keys import CALIBRATION
from pipeline.contracts.records.outcome import BODY, MODEL, REFERENCE, TRAINED, UPLOADED, TrainedCandidate
from pipeline.contracts.records.plan import BROUGHT
from pipeline.evaluation.scoring import OnnxModel

__all__ = ["CANDIDATE", "DATASET", "SPEC", "TASK", "read_model"]

TASK = "task.json"
CANDIDATE, DATASET, SPEC = "candidate", "dataset.json", "spec.json"
TOLERANCE = 1e-4  # absolute plus relative to the prediction; also the candidate's ``tolerance``
_SINGLE_ROWS = 5  # rows that are also predicted alone
_SPLIT = 4  # a fourth of the calibration rows are test rows, a fourth are validation rows
_MIN_SPLIT_ROWS = 12
_INTEGERS = frozenset(
    {onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.UINT32, onnx.TensorProto.UINT64}
)


def read_model(folder: Path) -> None:
    """Check the file in ``folder``, and write what the stages after training read to ``folder/out``.

    Reads uploaded.onnx, task.json and, if it was uploaded, calibration.csv. Writes dataset.json, spec.json,
    train.parquet, validation.parquet, test.parquet, and the candidate's files (contracts.records.outcome) in the
    folder ``candidate``.

    Raises:
        InvalidModelError: The file cannot be served; the message names the node or tensor.
        InvalidJobSpecError: train.yaml does not fit the model.
    """
    started = time.perf_counter()
    task = BroughtTask.from_bytes((folder / TASK).read_bytes())
    content = (folder / UPLOADED).read_bytes()
    graph = load_graph(content, task.file)
    use_served_locale(graph, task.file)
    model, listed = remove_maps(graph)
    calibration = None
    if task.has_calibration:
        calibration = CalibrationFile.read((folder / CALIBRATION).read_bytes(), task.spec.target)
    inputs = read_inputs(model, calibration.header if calibration else (), task.file)
    columns = [column for graph_input in inputs for column in graph_input.columns]
    integers = frozenset(
        c.name for graph_input in inputs if graph_input.element in _INTEGERS for c in graph_input.columns
    )
    feeds = calibration.feeds(columns) if calibration else make_feeds(columns, integers)
    check_outputs(model, task.file)
    raw = run_graph(model, inputs, feeds, task.file)
    outputs = read_outputs(model, raw, task=task.spec.task, classes=listed, file=task.file)
    labels, numbers = outputs.predictions(raw)
    description = Description(task=task, inputs=inputs, outputs=outputs, calibration=calibration)
    tried = ModelRows(feeds=feeds, labels=labels, numbers=numbers, truth=description.truth(len(numbers)))
    rows = _finite(tried, task.file, outputs.names[-1])
    served = _verified(model, description, rows)
    out = folder / "out"
    candidate = out / CANDIDATE
    candidate.mkdir(parents=True)
    splits = _split(rows)
    dataset = description.dataset(splits, hashlib.sha256(content).hexdigest(), dropped=len(numbers) - len(rows.numbers))
    for name, split in splits.items():
        description.frame(split, dataset).write_parquet(out / f"{name}.parquet")
    name = "value" if outputs.form == "values" else "probabilities"
    stored = BytesIO()
    np.savez(stored, **{name: splits["validation"].numbers})  # type: ignore[arg-type]  # arrays by name
    (candidate / REFERENCE).write_bytes(stored.getvalue())
    (candidate / MODEL).write_bytes(served)
    (candidate / BODY).write_bytes(served)
    (out / DATASET).write_bytes(dataset.to_bytes())
    (out / SPEC).write_bytes(description.spec(dataset).to_bytes())
    record = TrainedCandidate(
        candidate=BROUGHT,
        algorithm=BROUGHT,
        device="cpu",
        seconds=time.perf_counter() - started,
        quality={},
        no_int8=_no_int8(served),
        tolerance=TOLERANCE,
        model_sha256=hashlib.sha256(served).hexdigest(),
    )
    (candidate / TRAINED).write_bytes(record.to_bytes())


def _finite(rows: ModelRows, file: str, output: str) -> ModelRows:
    """Return the rows whose predictions are finite.

    Raises:
        InvalidModelError: A row without missing values has a prediction that is not finite, or all rows have.
    """
    numbers = rows.numbers.reshape(len(rows.numbers), -1)
    finite = np.asarray(np.isfinite(numbers).all(axis=1))
    complete: npt.NDArray[np.bool_] = np.ones(len(numbers), np.bool_)
    for values in rows.feeds.values():
        if values.dtype.kind == "f":
            complete &= np.isfinite(values)
    non_finite = np.flatnonzero(complete & ~finite)
    if len(non_finite) or not finite.any():
        row = int(non_finite[0]) if len(non_finite) else 0
        raise InvalidModelError(
            f"{file}: the output '{output}' is {_name_number(numbers[row])} for row {row + 1} of the rows that it was "
            "tested on: finite numbers are expected"
        )
    return rows.take(np.flatnonzero(finite))


def _name_number(numbers: npt.NDArray[np.float64]) -> str:
    return "NaN" if np.isnan(numbers).any() else "infinite"


def _verified(model: onnx.ModelProto, description: Description, rows: ModelRows) -> bytes:
    """Return the first served file that predicts like the uploaded one, for all rows at once and for some alone.

    Raises:
        InvalidModelError: There is no such served file.
    """
    reason = ""
    for served in served_graphs(model, description.inputs, description.outputs, description.signature):
        try:
            session = OnnxModel(served)
            if _differs(session, rows):
                reason = "in its served form it predicts differently"
                continue
            indices = range(min(_SINGLE_ROWS, len(rows.numbers)))
            mismatched = [index for index in indices if _differs(session, rows.take(np.array([index])))]
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no narrower common base
            reason = f"in its served form, with any number of rows, it cannot be run ({type(error).__name__})"
            continue
        if not mismatched:
            return served
        reason = f"its prediction for row {mismatched[0] + 1} depends on the other rows of the batch"
    raise InvalidModelError(f"{description.task.file} cannot be served: {reason}")


def _differs(session: OnnxModel, rows: ModelRows) -> bool:
    predicted = session.run(rows.feeds)
    numbers = predicted.probabilities if len(rows.labels) else predicted.values
    if numbers.shape != rows.numbers.shape:
        return True
    close = np.allclose(numbers, rows.numbers, rtol=TOLERANCE, atol=TOLERANCE)
    if not len(rows.labels):
        return not close
    ordered = np.sort(rows.numbers, axis=1)
    tied = ordered[:, -1] - ordered[:, -2] <= TOLERANCE
    return not close or bool((~tied & (predicted.labels != rows.labels)).any())


def _split(rows: ModelRows) -> dict[str, ModelRows]:
    """Split rows into train (for calibration), validation and test; below 12 rows, each split has all rows."""
    indices = np.arange(len(rows.numbers))
    if len(indices) < _MIN_SPLIT_ROWS:
        return dict.fromkeys(("train", "validation", "test"), rows)
    group = indices % _SPLIT
    chosen = {"train": group > 1, "validation": group == 1, "test": group == 0}
    return {name: rows.take(indices[mask]) for name, mask in chosen.items()}


def _no_int8(served: bytes) -> str:
    if weighted_layers(onnx.load_from_string(served)):
        return ""
    return "it has no MatMul, Gemm or Conv with constant weights to quantize"
