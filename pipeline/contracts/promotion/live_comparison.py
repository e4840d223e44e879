"""A new version and the live one, on the same test rows."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["MARGIN", "LiveComparison"]

MARGIN = 0.01  # of the live version's quality: a worse version within it is not inferior


class LiveComparison(Record):
    """Quality of a new version beside that of the live one, by the metric that decided.

    Attributes:
        version: Number of the live version.
        problem: Why the two cannot be compared; empty if they were.
        metric: Name of the metric.
        rows: Test rows.
        new: Quality of the new version.
        live: Quality of the live version.
        gain: How much better the new version is; negative if it is worse, whichever direction the metric has.
        interval: 95 % interval of the gain, by rows drawn anew for both versions together.
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
        """Return how much worse a version may be."""
        return MARGIN * abs(self.live)

    @property
    def is_not_inferior(self) -> bool:
        """Return whether even the lower end of the interval is within the margin."""
        return not self.problem and self.interval[0] >= -self.margin

    @property
    def sentence(self) -> str:
        """Return the comparison for people."""
        if self.problem:
            return f"it cannot be compared with the live version {self.version}: {self.problem}"
        low, high = self.interval
        return (
            f"its {self.metric} is {self.new:.4g} on {self.rows:,} test rows, that of version {self.version}, which is "
            f"live, {self.live:.4g}: a gain of {self.gain:.3g} (95 % interval {low:.3g} to {high:.3g}), where at least "
            f"{-self.margin:.3g} must be sure"
        )
