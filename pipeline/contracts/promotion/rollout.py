"""A rollout: a new version receives a fraction of the requests for some time while the old one stays live."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pipeline.contracts.record import Record

__all__ = ["ROLLOUT_MODES", "Rollout", "RolloutMode", "RolloutRule"]

RolloutMode = Literal["canary", "shadow"]
ROLLOUT_MODES: tuple[RolloutMode, ...] = ("canary", "shadow")  # also the aliases that point to the new version


class RolloutRule(Record):
    """How a version is rolled out.

    Attributes:
        mode: ``canary``: the new version responds to a fraction of the requests, and becomes live if it keeps the
            bounds; ``shadow``: the live version responds, the new version's predictions are compared with its
            predictions, and a person decides.
        percent: Percentage of the requests that the new version receives.
        minutes: Duration in minutes.
        max_failures: Fraction of its requests that the new version may fail although the live version does not.
        max_slowdown: Maximum of the new version's 95th percentile of latency divided by the live version's.
        max_disagreement: Maximum fraction of labels that differ from the live version's; for a regression, maximum root
            mean square difference in standard deviations of the live version's values.
    """

    mode: RolloutMode
    percent: float = 10.0
    minutes: float = 30.0
    max_failures: float = 0.01
    max_slowdown: float = 2.0
    max_disagreement: float = 0.3


class Rollout(RolloutRule):
    """A rollout that runs.

    Attributes:
        id: Id of the rollout, which is in the key of its counters and seeds the assignment of requests.
        tenant: Tenant of the model.
        model: Name of the model.
        version: Number of the new version.
        started_at: Start of the rollout.
    """

    id: str
    tenant: str
    model: str
    version: int
    started_at: datetime

    @property
    def rule(self) -> RolloutRule:
        """Return the rule of this rollout."""
        return RolloutRule(**self.model_dump(include=set(RolloutRule.model_fields)))

    @property
    def ends_at(self) -> datetime:
        """Return when the rollout ends, unless a bound is exceeded before."""
        return self.started_at + timedelta(minutes=self.minutes)

    @property
    def duration(self) -> str:
        """Return the duration as text for people."""
        return f"{self.minutes:g} {'minute' if self.minutes == 1 else 'minutes'}"

    @property
    def summary(self) -> str:
        """Return a description of the rollout for messages and the history."""
        minutes = self.duration
        if self.mode == "canary":
            return f"canary: it responds to {self.percent:g} % of the requests for {minutes}, and then becomes live"
        return f"shadow: its predictions for {self.percent:g} % of the requests are compared for {minutes}"
