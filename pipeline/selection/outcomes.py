"""Explain why each variant is served or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.contracts.records.variant import Variant, VariantOutcome
from pipeline.evaluation.ranking import is_faster
from pipeline.selection.pareto import dominates, front, latency_of, quality_of, size_of
from pipeline.selection.preference import MAX_BALANCED_DROP, Preference

__all__ = ["OutcomeExplainer"]

_MAX_COST = f"{MAX_BALANCED_DROP:.1%} of the quality"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeExplainer:
    """Compares every variant with the winner.

    Attributes:
        preference: The preference by which the winner was chosen.
        winner: The variant that is served.
        eligible: The variants that the winner was chosen from.
        misses: Sentences on the limits that a variant misses, by its name.
        reason: Why the winner was chosen.
    """

    preference: Preference
    winner: Variant
    eligible: Sequence[Variant]
    misses: Mapping[str, tuple[str, ...]]
    reason: str

    def explain(self, variant: Variant) -> tuple[VariantOutcome, str]:
        """Return the outcome of a variant, and a sentence that explains it with numbers."""
        if variant.status != "ok":
            return variant.status, variant.reason
        if variant == self.winner:
            return "winner", self.reason
        if variant not in self.eligible:
            return "misses_limits", "; ".join(self.misses[variant.display_name])
        metric = self.preference.metric
        better = [competitor for competitor in self.eligible if dominates(competitor, variant, metric)]
        if better:
            return "dominated", _compare(self.winner if self.winner in better else better[0], variant, metric)
        if self._is_of_worse_candidate(variant):
            return "worse_candidate", self._compare_candidates(variant)
        return "less_preferred", self._compare_with_winner(variant)

    def _is_of_worse_candidate(self, variant: Variant) -> bool:
        if self.preference.prefer in ("size", "latency"):
            return False
        return variant not in self.preference.tied_with_best(front(self.eligible, self.preference.metric))

    def _compare_candidates(self, variant: Variant) -> str:
        preference = self.preference
        best = max(self.eligible, key=preference.candidate_score)
        return (
            f"the {preference.metric} of its candidate is {preference.candidate_quality(variant):.6g}; the best "
            f"candidate, {best.candidate}, has {preference.candidate_quality(best):.6g}"
        )

    def _compare_with_winner(self, variant: Variant) -> str:
        """Explain by ``limits.prefer`` why a variant of the Pareto front is not the winner."""
        preference, winner = self.preference, self.winner
        best = preference.best(self.eligible)
        drop = preference.drop(best, variant)
        cost = f"its {preference.metric} is {max(drop, 0.0):.2%} worse than that of {best.display_name}"
        if preference.prefer == "balanced" and drop >= MAX_BALANCED_DROP:
            return f"{cost}; less than {MAX_BALANCED_DROP:.1%} is expected"
        if preference.prefer in ("size", "latency") and drop > preference.max_drop:
            return f"{cost}; at most {preference.max_drop:.1%} is expected"
        if preference.prefer in ("size", "latency") and not preference.is_within_interval(best, variant):
            return f"{cost}, and outside its 95 % interval"
        if preference.prefer == "balanced" and preference.saves_half(variant, winner):
            return f"{winner.display_name} has at most half of its bytes or latency, and costs less than {_MAX_COST}"
        if preference.prefer == "balanced" and not preference.saves_half(winner, variant):
            return f"neither its bytes nor its latency is at most half of {winner.display_name}'s"
        measures = f"{size_of(variant)} bytes and {latency_of(variant):.0f} us"
        return (
            f"limits.prefer is {preference.prefer}: it has {measures}, {winner.display_name} has {size_of(winner)} and "
            f"{latency_of(winner):.0f}"
        )


def _compare(better: Variant, variant: Variant, metric: str) -> str:
    advantages = []
    quality, reference = (quality_of(compared, metric) for compared in (better, variant))
    if quality != reference:
        advantages.append(f"{metric} {quality:.6g} instead of {reference:.6g}")
    if size_of(better) < size_of(variant):
        advantages.append(f"{size_of(better)} bytes instead of {size_of(variant)}")
    if is_faster(latency_of(better), latency_of(variant)):
        advantages.append(f"{latency_of(better):.0f} us instead of {latency_of(variant):.0f}")
    return f"{better.display_name} has {', '.join(advantages)}, and is not worse in any other way"
