"""Measure latencies of a candidate's served files on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.contracts.records.variant import Latency
from pipeline.evaluation.scoring import Feeds, OnnxModel

__all__ = ["BATCH_SIZES", "cpu_name", "measure_latencies"]

BATCH_SIZES = (1, 64)

_CPU_INFO = Path("/proc/cpuinfo")
_RUNS, _WARM_UP_RUNS = 300, 30
_MIN_RUNS = 5
_MAX_SECONDS = 1.0  # for all batch sizes together; slow models are run less often


def measure_latencies(models: Sequence[OnnxModel], rows: Sequence[Feeds]) -> list[dict[str, Latency]]:
    """Time calls of each model on one thread, in turns, so that a slowdown of the machine affects all of them.

    Args:
        models: Files that predict the same rows.
        rows: For each model at least one row, with the columns that it takes; rows are repeated to fill a batch.

    Returns:
        For each model: batch size as text (``BATCH_SIZES``) -> latency of a call in microseconds.
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
        for durations, model, batch in zip(seconds, models, batches, strict=True):
            started = time.perf_counter()
            model.run_raw(batch)
            durations.append(time.perf_counter() - started)
        if time.perf_counter() > deadline and len(seconds[0]) > _MIN_RUNS:
            break
    return [_summarize(durations[min(_WARM_UP_RUNS, len(durations) // 10) :]) for durations in seconds]


def _summarize(seconds: Sequence[float]) -> Latency:
    p50, p99 = (float(value) * 1e6 for value in np.percentile(seconds, [50, 99]))
    return Latency(p50=p50, p99=p99)


def cpu_name() -> str:
    """Return the model name of the processor on Linux, else its architecture."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
