"""Decide which candidates to compress: files of a candidate far worse than the best would never be served."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.ranking import ranking_score, relative_drop

__all__ = ["QualityBar", "best_first"]


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityBar:
    """The quality that a candidate needs for its passes to be tried.

    Attributes:
        metric: Metric that candidates are compared by.
        best: The best fp32 file so far; None before the first one.
        max_drop: Largest drop from the best quality (``compression.max_quality_drop``), for every ``limits.prefer``;
            None: all candidates are compressed.
    """

    metric: str
    best: Variant | None = None
    max_drop: float | None = None

    @classmethod
    def of(cls, spec: JobSpec, metric: str) -> QualityBar:
        """Return the bar before any file is measured.

        Passes that train.yaml names are applied to all candidates. With a limit on bytes or latency, all candidates
        are compressed, too: the files of the best one may miss the limit.
        """
        is_limited = spec.limits.max_bytes is not None or spec.limits.max_latency_us is not None
        is_open = spec.compression.passes != "auto" or is_limited
        return cls(metric=metric, max_drop=None if is_open else spec.compression.max_quality_drop)

    def raised_to(self, full: Variant) -> QualityBar:
        """Return the bar after another fp32 file, which becomes ``best`` if it is better."""
        if full.status != "ok" or self.metric not in full.quality:
            return self
        if self.best and ranking_score(self.best.quality, self.metric) >= ranking_score(full.quality, self.metric):
            return self
        return QualityBar(metric=self.metric, best=full, max_drop=self.max_drop)

    def find_shortfall(self, quality: Mapping[str, float]) -> str:
        """Return why no compressed file of a candidate with this quality would be served; empty if one may be."""
        if self.max_drop is None or self.best is None:
            return ""
        value, best = quality[self.metric], self.best.quality[self.metric]
        drop = relative_drop(best, value, self.metric)
        if not drop > self.max_drop:
            return ""
        return (
            f"not tried: the {self.metric} of its candidate, {value:.6g}, is {drop:.2%} worse than the best, "
            f"{self.best.candidate}'s {best:.6g}, and at most {self.max_drop:.2%} is allowed"
        )


def best_first(trained: Sequence[TrainedCandidate], metric: str) -> list[TrainedCandidate]:
    """Return the candidates, best first by the quality that training measured; those without it come last."""

    measured = [candidate for candidate in trained if math.isfinite(candidate.quality.get(metric, math.nan))]
    ranked = sorted(measured, key=lambda candidate: ranking_score(candidate.quality, metric), reverse=True)
    return [*ranked, *(candidate for candidate in trained if candidate not in measured)]
