"""How two served files of one candidate compare on this machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.contracts.signature import Signature
from pipeline.evaluation.scoring import Answers, Feeds, OnnxModel

__all__ = ["agreement", "cpu_name", "interleaved_latency_us"]

_CPU_INFO = Path("/proc/cpuinfo")


def agreement(full: Answers, small: Answers, signature: Signature) -> float:
    """The share of rows with the same label; for regression the correlation of the values (0 where one is constant)."""
    if signature.task != "regression":
        return float(np.mean(full.labels == small.labels))
    if np.ptp(full.values) == 0 or np.ptp(small.values) == 0:
        return float(np.array_equal(full.values, small.values))
    return float(np.corrcoef(full.values, small.values)[0, 1])


def interleaved_latency_us(models: Sequence[OnnxModel], row: Feeds, *, runs: int = 300) -> list[float]:
    """Microseconds of one call, the median of ``runs`` each, taken in turns: what slows the machine slows them all."""
    seconds: list[list[float]] = [[] for _ in models]
    for _ in range(runs + runs // 10):
        for taken, model in zip(seconds, models, strict=True):
            started = time.perf_counter()
            model.run_raw(row)
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken[runs // 10 :]) * 1e6 for taken in seconds]


def cpu_name() -> str:
    """The processor's own name where Linux tells it, else its architecture."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
