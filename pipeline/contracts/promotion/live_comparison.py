"""Comparison of a new version with the live one on the same test rows."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["MARGIN", "LiveComparison"]

MARGIN = 0.01  # fraction of the live version's quality by which a version may be worse without being inferior


class LiveComparison(Record):
    """Quality of a new version and of the live version, by the metric that candidates are compared by.

    Attributes:
        version: Number of the live version.
        problem: Why the two cannot be compared; empty if they were.
        metric: Name of the metric.
        rows: Test rows.
        new: Quality of the new version.
        live: Quality of the live version.
        gain: How much better the new version is, for either direction of the metric; negative if it is worse.
        interval: 95 % bootstrap interval of the gain; each resample has the same rows for both versions.
    """

    version: int
    problem: str = ""
    metric: str = ""
    rows: int = 0
    new: float = 0.0
    live: float = 0.0
    gain: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)

    @property
    def margin(self) -> float:
        """Return how much worse a version may be without being inferior, in the metric's unit."""
        return MARGIN * abs(self.live)

    @property
    def is_not_inferior(self) -> bool:
        """Return whether even the lower end of the interval is within the margin."""
        return not self.problem and self.interval[0] >= -self.margin

    @property
    def sentence(self) -> str:
        """Return the comparison as text for people."""
        if self.problem:
            return f"it cannot be compared with the live version {self.version}: {self.problem}"
        low, high = self.interval
        return (
            f"its {self.metric} is {self.new:.4g} on {self.rows:,} test rows, that of version {self.version}, which is "
            f"live, {self.live:.4g}: a gain of {self.gain:.3g} (95 % interval {low:.3g} to {high:.3g}), where at least "
            f"{-self.margin:.3g} must be sure"
        )
