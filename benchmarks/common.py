"""Shared by the benchmarks: arguments, alternating timing, and the JSON line at the end."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["alternate", "cpu_name", "parse_names", "report", "sample"]


def parse_names(description: str | None, names: Iterable[str]) -> list[str]:
    """Return the names on the command line, or all names; exit with a message if one is unknown."""
    known = list(names)
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; by default all")
    requested: list[str] = parser.parse_args().names or known
    if unknown := [name for name in requested if name not in known]:
        parser.error(f"there is no {unknown[0]}; {', '.join(known)} are expected")
    return requested


def cpu_name() -> str:
    """Return the processor's model and the number of processors."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0]} x {len(models)}" if models else platform.processor() or platform.machine()


def alternate(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median microseconds of each call, measured by ``sample``."""
    return {name: round(statistics.median(taken), 2) for name, taken in sample(work, rounds).items()}


def sample(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the sorted microseconds of each call; calls alternate, so that a busy machine slows all equally."""
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


def report(  # noqa: PLR0913 - the fields of the line
    benchmark: str,
    *,
    results: Mapping[str, Any],
    floor: Any,
    peers: Mapping[str, Any],
    ratios: Mapping[str, float],
    met: bool,
) -> None:
    """Print the JSON line that ends a benchmark.

    Args:
        benchmark: Name of the benchmark.
        results: Measurements of modeldrop.
        floor: Measurements of the minimal solution; None if there is none.
        peers: Measurements of other solutions, by name.
        ratios: Name -> ratio of modeldrop to the floor or to a peer.
        met: Whether the goals of the benchmark are met.
    """
    line = {
        "benchmark": benchmark, "cpu": cpu_name(), "results": results, "floor": floor, "peers": peers,
        "ratios": ratios, "met": met,
    }  # fmt: skip
    print(json.dumps(line))
