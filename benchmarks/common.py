"""What every benchmark shares: timing side by side, and the one JSON line at the end."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["alternate", "cpu_name", "report", "sample"]


def cpu_name() -> str:
    """The processor's model, and how many of it there are."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0]} x {len(models)}" if models else platform.processor() or platform.machine()


def alternate(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median microseconds of each, as ``sample`` takes them."""
    return {name: round(statistics.median(taken), 2) for name, taken in sample(work, rounds).items()}


def sample(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The microseconds of each, one after the other in every round, so that a busy machine slows all alike; sorted."""
    for call in work.values():
        for _ in range(rounds // 10 + 1):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return {name: sorted(1e6 * took for took in taken) for name, taken in seconds.items()}


def report(  # noqa: PLR0913 - the line's fields
    benchmark: str,
    *,
    results: Mapping[str, Any],
    floor: Any,
    peers: Mapping[str, Any],
    ratios: Mapping[str, float],
    met: bool,
) -> None:
    """Print the JSON line that ends a benchmark. ``met``: the numbers that it was requested hold."""
    line = {
        "benchmark": benchmark, "cpu": cpu_name(), "results": results, "floor": floor, "peers": peers,
        "ratios": ratios, "met": met,
    }  # fmt: skip
    print(json.dumps(line))
