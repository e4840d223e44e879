"""A plot of the Pareto front: quality over stored bytes, and over the latency of one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.views.images.figure import new_figure
from pipeline.contracts.records.variant_report import VariantReport
from pipeline.contracts.spec.metrics import greater_is_better

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_front"]

_PANELS: tuple[tuple[str, Callable[[VariantReport], float]], ...] = (
    ("stored bytes", lambda variant: float(variant.bytes or 0)),
    ("latency of one row (µs, p50)", lambda variant: variant.latency_us or 0.0),
)
_MAX_LABELED = 16  # variants; the names of more would cover each other


def draw_front(variants: Sequence[VariantReport], metric: str, path: Path, *, title: str) -> None:
    """Plot every variant that passed its gates; a line joins those on the front.

    Args:
        variants: Variants, at least one.
        metric: Metric of the vertical axis; the better end is at the top.
        path: A .png, .svg or .pdf file.
        title: Title above the panels.

    Raises:
        InvalidRequestError: matplotlib is not installed, or ``path`` has another suffix.
    """
    variants = [variant for variant in variants if metric in variant.quality]  # the others have no finite value
    figure = new_figure(path, width=11, height=5)
    panels: Any = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (label, cost) in zip(panels, _PANELS, strict=True):
        _draw_panel(axes, variants, metric, label, cost)
    panels[0].set_ylabel(metric)
    if not greater_is_better(metric):
        panels[0].invert_yaxis()
    panels[0].legend(loc="best", fontsize="small", frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)


def _draw_panel(
    axes: Axes, variants: Sequence[VariantReport], metric: str, label: str, cost: Callable[[VariantReport], float]
) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    groups = {
        "beaten by another": [v for v in variants if not v.on_front and not v.winner],
        "on the Pareto front": [v for v in variants if v.on_front and not v.winner],
        "winner": [v for v in variants if v.winner],
    }
    styles = (("o", "0.7", 30), ("o", "tab:blue", 45), ("*", "tab:green", 220))
    on_front = sorted((v for v in variants if v.on_front), key=cost)
    axes.plot([cost(v) for v in on_front], [v.quality[metric] for v in on_front], color="tab:blue", lw=0.8, alpha=0.5)
    for (name, group), (marker, color, area) in zip(groups.items(), styles, strict=True):
        qualities = [v.quality[metric] for v in group]
        axes.scatter([cost(v) for v in group], qualities, marker=marker, c=color, s=area, label=name, zorder=3)
    costs = [cost(variant) for variant in variants]
    middle = (min(costs) * max(costs)) ** 0.5  # geometric mean, since the axis is logarithmic
    for variant in _labeled(variants):
        is_right = cost(variant) > middle  # the label ends at the point, so that it stays inside the panel
        axes.annotate(
            variant.display_name,
            (cost(variant), variant.quality[metric]),
            xytext=(-7 if is_right else 7, 5),
            horizontalalignment="right" if is_right else "left",
            textcoords="offset points",
            fontsize=7,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    axes.margins(x=0.2, y=0.12)
    axes.grid(visible=True, which="both", alpha=0.2)


def _labeled(variants: Sequence[VariantReport]) -> list[VariantReport]:
    """Return the variants whose names fit: the front, and the first variant of each candidate without one there."""
    on_front = [variant for variant in variants if variant.on_front or variant.winner]
    shown = {variant.candidate for variant in on_front}
    beaten = {variant.candidate: variant for variant in reversed(variants) if variant.candidate not in shown}
    return [*on_front, *beaten.values()][:_MAX_LABELED]
