"""How two served files of one candidate compare on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.variant import Latency
from pipeline.contracts.signature import Signature
from pipeline.evaluation.scoring import Feeds, OnnxModel, Predictions, one_row
from pipeline.evaluation.several_targets import LABEL_THRESHOLD

__all__ = ["BATCH_SIZES", "agreement", "batch_difference", "cpu_name", "measure_latencies"]

BATCH_SIZES = (1, 64)

_CPU_INFO = Path("/proc/cpuinfo")
_RUNS, _WARM_UP_RUNS = 300, 30
_MIN_RUNS = 5
_SINGLE_ROWS = 16
_EPSILON = 1e-12
_MAX_SECONDS = 1.0  # of all batch sizes together, after which large models have had runs enough


def agreement(full: Predictions, small: Predictions, signature: Signature) -> float:
    """Return the share of rows with the same label; for regression the correlation of the values (0 where one is
    constant).

    Of several targets the share of labels alike in both, over all rows; or the least correlation of a target.
    """
    if signature.is_multilabel:
        labels = [predictions.probabilities >= LABEL_THRESHOLD for predictions in (full, small)]
        return float(np.mean(labels[0] == labels[1]))
    if signature.task != "regression":
        return float(np.mean(full.labels == small.labels))
    columns = (np.atleast_2d(predictions.values.T) for predictions in (full, small))
    return min(_correlation(*pair) for pair in zip(*columns, strict=True))


def _correlation(first: npt.NDArray[np.floating[Any]], second: npt.NDArray[np.floating[Any]]) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float(np.array_equal(first, second))
    return float(np.corrcoef(first, second)[0, 1])


def batch_difference(model: OnnxModel, rows: Feeds, predictions: Predictions, signature: Signature) -> float:
    """Return by how much the predictions for rows alone differ from those in one batch.

    Args:
        model: The file.
        rows: A batch.
        predictions: Those of the file for the batch.
        signature: The file's.

    Returns:
        The largest difference of a probability, or of a value in standard deviations of the predicted values, over some
        of the rows.
    """
    count = len(next(iter(rows.values())))
    indices = np.unique(np.linspace(0, count - 1, _SINGLE_ROWS).astype(np.int64))
    together = _numbers(predictions, signature)
    alone = np.concatenate([_numbers(model.run(one_row(rows, index)), signature) for index in indices])
    difference = float(np.abs(alone - together[indices]).max())
    return difference if signature.task != "regression" else difference / max(float(together.std()), _EPSILON)


def _numbers(predictions: Predictions, signature: Signature) -> npt.NDArray[np.floating[Any]]:
    return predictions.values if signature.task == "regression" else predictions.probabilities


def measure_latencies(models: Sequence[OnnxModel], rows: Sequence[Feeds]) -> list[dict[str, Latency]]:
    """Time calls of each model on one thread, in turns, so that what slows the machine slows all of them.

    Args:
        models: Files that answer the same rows.
        rows: Of each model at least one row, with the columns that it takes; they are repeated where a batch has more.

    Returns:
        Of each model, microseconds of a call by the batch size, as a text (``BATCH_SIZES``).
    """
    batches = {str(size): [_repeat(feeds, size) for feeds in rows] for size in BATCH_SIZES}
    timed = {size: _time_calls(models, batch) for size, batch in batches.items()}
    return [{size: latencies[index] for size, latencies in timed.items()} for index, _ in enumerate(models)]


def _repeat(rows: Feeds, size: int) -> Feeds:
    return {name: values[np.arange(size) % len(values)] for name, values in rows.items()}


def _time_calls(models: Sequence[OnnxModel], batches: Sequence[Feeds]) -> list[Latency]:
    seconds: list[list[float]] = [[] for _ in models]
    deadline = time.perf_counter() + _MAX_SECONDS / len(BATCH_SIZES)
    for _ in range(_RUNS + _WARM_UP_RUNS):
        for taken, model, batch in zip(seconds, models, batches, strict=True):
            started = time.perf_counter()
            model.run_raw(batch)
            taken.append(time.perf_counter() - started)
        if time.perf_counter() > deadline and len(seconds[0]) > _MIN_RUNS:
            break
    return [_summarize(taken[min(_WARM_UP_RUNS, len(taken) // 10) :]) for taken in seconds]


def _summarize(seconds: Sequence[float]) -> Latency:
    p50, p99 = (float(value) * 1e6 for value in np.percentile(seconds, [50, 99]))
    return Latency(p50=p50, p99=p99)


def cpu_name() -> str:
    """Return the processor's own name where Linux tells it, else its architecture."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
