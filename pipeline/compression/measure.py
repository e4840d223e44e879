"""How two served files of one candidate compare on this machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.evaluation.scoring import Answers, Feeds, OnnxModel
from pipeline.evaluation.several_targets import LABEL_THRESHOLD

__all__ = ["agreement", "cpu_name", "interleaved_latency_us"]

_CPU_INFO = Path("/proc/cpuinfo")


def agreement(full: Answers, small: Answers, signature: Signature) -> float:
    """The share of rows with the same label; for regression the correlation of the values (0 where one is constant).

    Of several targets the share of labels alike in both, over all rows; or the least correlation of a target.
    """
    if signature.is_multilabel:
        said = [answers.probabilities >= LABEL_THRESHOLD for answers in (full, small)]
        return float(np.mean(said[0] == said[1]))
    if signature.task != "regression":
        return float(np.mean(full.labels == small.labels))
    columns = (np.atleast_2d(answers.values.T) for answers in (full, small))
    return min(_correlation(*pair) for pair in zip(*columns, strict=True))


def _correlation(first: npt.NDArray[np.floating[Any]], second: npt.NDArray[np.floating[Any]]) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float(np.array_equal(first, second))
    return float(np.corrcoef(first, second)[0, 1])


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
