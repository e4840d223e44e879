"""Choose the variant of the Pareto front to serve, by ``limits.prefer``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.job_spec import Prefer
from pipeline.evaluation.ranking import is_as_good_as, is_faster, is_tied, relative_drop, worse_end
from pipeline.selection.pareto import front, latency_of, quality_of, score_of, size_of

__all__ = ["MAX_BALANCED_DROP", "Preference"]

MAX_BALANCED_DROP = 0.005  # relative drop of the quality
_SAVED = 2  # factor by which bytes or latency must shrink
_MAX_GROWTH = 2  # factor by which the other of the two may grow


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """How the winner is chosen among the variants that may be served.

    Attributes:
        metric: Metric that candidates are compared by.
        prefer: ``quality``: the smallest variant within 0.1 % of the best quality. ``balanced``: starting there, a
            variant of the tied candidates that costs less than 0.5 % of the quality and halves the bytes or the
            latency without more than doubling the other. ``size``, ``latency``: the smallest or the fastest variant of
            any candidate that costs at most ``max_drop`` of the best quality, and is within its 95 % interval.
        max_drop: Maximum relative drop of the quality (``compression.max_quality_drop``).
        full_precision: The fp32 variant of each candidate, by whose quality candidates are compared.
    """

    metric: str
    prefer: Prefer
    max_drop: float
    full_precision: Mapping[str, Variant]

    def choose(self, eligible: Sequence[Variant]) -> Variant:
        """Choose from the Pareto front of ``eligible``, which must not be empty."""
        candidates = front(eligible, self.metric)
        if self.prefer in ("size", "latency"):
            return self._cheapest(candidates)
        tied = self.tied_with_best(candidates)
        best = self._smallest_tied(tied)
        return best if self.prefer == "quality" else self._balance(best, tied)

    def tied_with_best(self, variants: Sequence[Variant]) -> list[Variant]:
        """Return the variants of candidates whose quality is within 0.1 % of the best candidate's."""
        best = self.candidate_quality(max(variants, key=self.candidate_score))
        return [variant for variant in variants if _is_tied(self.candidate_quality(variant), best)]

    def candidate_quality(self, variant: Variant) -> float:
        """Return the quality of the variant's candidate: the quality of the candidate's fp32 file."""
        return quality_of(self.full_precision.get(variant.candidate, variant), self.metric)

    def candidate_score(self, variant: Variant) -> float:
        """Return the quality of the variant's candidate, negated if lower is better."""
        return score_of(self.full_precision.get(variant.candidate, variant), self.metric)

    def drop(self, reference: Variant, variant: Variant) -> float:
        """Return how much worse ``variant`` is than the reference, as a fraction of its quality (relative_drop)."""
        return relative_drop(quality_of(reference, self.metric), quality_of(variant, self.metric), self.metric)

    def is_within_interval(self, reference: Variant, variant: Variant) -> bool:
        """Return whether the quality is within the reference's 95 % interval, or better; True if it has no interval."""
        interval = reference.interval.get(self.metric, (-math.inf, math.inf))
        return is_as_good_as(quality_of(variant, self.metric), worse_end(interval, self.metric), self.metric)

    def best(self, variants: Sequence[Variant]) -> Variant:
        """Return the variant with the best quality; among ties the smallest, then the first by name."""
        return min(variants, key=lambda variant: (-self._score(variant), size_of(variant), variant.display_name))

    def saves_half(self, reference: Variant, variant: Variant) -> bool:
        """Return whether ``variant`` has at most half of the reference's bytes, or at most half of its latency."""
        size, latency = size_of(variant), latency_of(variant)
        return _SAVED * size <= size_of(reference) or _SAVED * latency <= latency_of(reference)

    def _smallest_tied(self, variants: Sequence[Variant]) -> Variant:
        """Return the smallest of the variants within 0.1 % of the best quality."""
        best = quality_of(self.best(variants), self.metric)
        tied = [variant for variant in variants if _is_tied(quality_of(variant, self.metric), best)]
        return min(tied, key=_by_size)

    def _balance(self, best: Variant, variants: Sequence[Variant]) -> Variant:
        """Walk along the front from the best quality on; each step halves the bytes or the latency once more."""
        chosen = best
        reference = self.best(variants)
        for variant in sorted(variants, key=lambda variant: (-self._score(variant), _by_size(variant))):
            is_small_drop = self.drop(reference, variant) < MAX_BALANCED_DROP
            if is_small_drop and self.saves_half(chosen, variant) and not _exceeds_max_growth(variant, best):
                chosen = variant
        return chosen

    def _cheapest(self, variants: Sequence[Variant]) -> Variant:
        reference = self.best(variants)
        equivalent = [
            variant
            for variant in variants
            if self.drop(reference, variant) <= self.max_drop and self.is_within_interval(reference, variant)
        ]
        if self.prefer == "size":
            return min(equivalent, key=_by_size)
        fastest = min(map(latency_of, equivalent))
        return min((v for v in equivalent if not is_faster(fastest, latency_of(v))), key=_by_size)

    def _score(self, variant: Variant) -> float:
        return score_of(variant, self.metric)


def _is_tied(quality: float, best: float) -> bool:
    """Return whether a quality is within 0.1 % of the best; equal infinite values are tied."""
    return quality == best or is_tied(quality, best)


def _by_size(variant: Variant) -> tuple[int, str, str]:
    return size_of(variant), variant.candidate, variant.display_name


def _exceeds_max_growth(variant: Variant, reference: Variant) -> bool:
    """Return whether a variant has more than twice the bytes, or more than twice the latency, of the reference."""
    larger = size_of(variant) > _MAX_GROWTH * size_of(reference)
    return larger or latency_of(variant) > _MAX_GROWTH * latency_of(reference)
