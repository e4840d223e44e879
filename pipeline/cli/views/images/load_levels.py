"""A plot of latency against throughput."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.cli.views.images.figure import new_figure
from pipeline.load_test.load_level import LoadLevel

__all__ = ["draw_levels"]


def draw_levels(levels: Sequence[LoadLevel], path: Path, *, title: str) -> None:
    """Plot throughput to the right and latency upward, with a point for each number of clients.

    Args:
        levels: Levels of the load test; those without a successful request are left out.
        path: A .png, .svg or .pdf file.
        title: Title above the axes.

    Raises:
        InvalidRequestError: matplotlib is not installed, or ``path`` has another suffix.
    """
    figure = new_figure(path, width=8, height=5)
    axes = figure.subplots()
    measured = [level for level in levels if level.p50_ms is not None]
    throughput = [level.per_second for level in measured]
    for name, latencies, color in (
        ("p50", [level.p50_ms or 0.0 for level in measured], "tab:blue"),
        ("p99", [level.p99_ms or 0.0 for level in measured], "tab:orange"),
    ):
        axes.plot(throughput, latencies, marker="o", color=color, label=name)
    for level in measured:
        axes.annotate(
            str(level.clients),
            (level.per_second, level.p99_ms or 0.0),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.margins(y=0.15)
    axes.set_xlabel("requests a second")
    axes.set_ylabel("latency (ms)")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(frameon=False)
    axes.set_title(f"{title}\nthe numbers are clients", fontsize=10)
    figure.savefig(path, dpi=150)
