"""The choice: VariantSet -> Selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.records.variant import CandidateReport, LeaderboardRow, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import quality_metric
from pipeline.evaluation.ranking import TIE
from pipeline.selection.limits import excess, violations
from pipeline.selection.outcomes import OutcomeExplainer
from pipeline.selection.pareto import front, score_of, size_of
from pipeline.selection.preference import Preference

__all__ = ["select"]

_MAX_NEAREST = 3  # variants that are named where none keeps the limits


def select(
    variants: VariantSet,
    *,
    metric: str,
    spec: JobSpec,
    tried: tuple[CandidateReport, ...] = (),
    notes: tuple[str, ...] = (),
) -> Selection:
    """Choose the variant that is served, by ``limits.prefer``, from the Pareto front over quality, latency and size.

    Candidates are compared by their fp32 files; within 0.1 % of the best they are tied. Only variants that passed the
    gates of compression, keep the limits of ``spec`` and are beaten by no other such variant are chosen from; where
    none keeps the limits, ``unmet`` says what the winner of all misses. At least one variant is ok: compression fails
    the run otherwise.

    Args:
        variants: The measured variants.
        metric: Metric that the plan compares candidates by.
        spec: JobSpec with the limits and the preference.
        tried: What became of each candidate, for the record.
        notes: What the limits made of the plan, for the record.

    Returns:
        The winner, and every variant with the reason why it is served or not.
    """
    compared = sorted(
        (variant for variant in variants.variants if variant.status == "ok"), key=lambda variant: variant.display_name
    )
    limited = quality_metric(spec.metric, metric)
    misses = {variant.display_name: violations(variant, limited, spec.limits) for variant in compared}
    within = [variant for variant in compared if not misses[variant.display_name]]
    preference = Preference(
        metric=metric,
        prefer=spec.limits.prefer,
        max_drop=spec.compression.max_quality_drop,
        full_precision={
            variant.candidate: variant for variant in compared if variant.precision == "fp32" and not variant.passes
        },
    )
    winner = preference.choose(within or compared)
    nearest = sorted(compared, key=lambda variant: (excess(variant, limited, spec.limits), variant.display_name))
    reason = _Reason(preference=preference, by_folds=variants.by_folds).sentence(winner, within, compared)
    explainer = OutcomeExplainer(
        preference=preference, winner=winner, eligible=within or compared, misses=misses, reason=reason
    )
    return Selection(
        metric=metric,
        quality_metric=limited,
        by_folds=variants.by_folds,
        winner=winner,
        leaderboard=_Leaderboard(metric=metric, explainer=explainer).rows(variants.variants),
        reason=reason,
        unmet=misses[winner.display_name],
        nearest=() if within else tuple(variant.display_name for variant in nearest[:_MAX_NEAREST]),
        prefer=spec.limits.prefer,
        tried=tried,
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Leaderboard:
    metric: str
    explainer: OutcomeExplainer

    def rows(self, variants: Sequence[Variant]) -> tuple[LeaderboardRow, ...]:
        """Return the variants that are ok by the metric, then what was rejected, then what does not apply."""
        compared = [variant for variant in variants if variant.status == "ok"]
        on_front = front(compared, self.metric)
        ranked = sorted(compared, key=self._rank)
        unranked = sorted(
            (variant for variant in variants if variant.status != "ok"),
            key=lambda v: (v.status == "not_applicable", v.candidate, v.precision, v.name),
        )
        rows = [self._row(variant, rank, variant in on_front) for rank, variant in enumerate(ranked, start=1)]
        return (*rows, *(self._row(variant) for variant in unranked))

    def _rank(self, variant: Variant) -> tuple[float, int, str, str, str]:
        quality = -score_of(variant, self.metric)
        return quality, size_of(variant), variant.candidate, variant.precision, variant.name

    def _row(self, variant: Variant, rank: int | None = None, on_front: bool = False) -> LeaderboardRow:
        outcome, reason = self.explainer.explain(variant)
        return LeaderboardRow(
            rank=rank,
            variant=variant,
            on_front=on_front,
            winner=variant == self.explainer.winner,
            outcome=outcome,
            reason=reason,
            misses=self.explainer.misses.get(variant.display_name, ()),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reason:
    """Says why the winner was chosen: among what, by which number, and how a tie was broken."""

    preference: Preference
    by_folds: bool

    def sentence(self, winner: Variant, within: Sequence[Variant], compared: Sequence[Variant]) -> str:
        eligible = within or compared
        candidate = f"{_among(within, compared)}{self._candidate(winner, eligible)}"
        full = self.preference.full_precision.get(winner.candidate, winner)
        if full == winner:
            return candidate
        cost = max(0.0, self.preference.drop(full, winner))
        return (
            f"{candidate}; {winner.display_name} costs {cost:.2%} of that and is "
            f"{size_of(full) / size_of(winner):.1f} times smaller than fp32"
        )

    def _candidate(self, winner: Variant, eligible: Sequence[Variant]) -> str:
        preference = self.preference
        metric = f"{'cross-validated' if self.by_folds else 'validation'} {preference.metric}"
        quality = f"{preference.candidate_quality(winner):.6g}"
        if _count_candidates(eligible) == 1:
            return f"{winner.candidate} is the only candidate ({metric} {quality})"
        best = max(front(eligible, preference.metric), key=preference.candidate_score)
        if preference.candidate_score(winner) == preference.candidate_score(best):
            return f"{winner.candidate} has the best {metric} ({quality})"
        best_named = f"the best ({best.candidate}, {preference.candidate_quality(best):.6g})"
        if preference.prefer in ("size", "latency"):
            cheapest = "smallest" if preference.prefer == "size" else "fastest"
            return (
                f"{winner.candidate} has a {metric} ({quality}) not measurably worse than {best_named}, and the "
                f"{cheapest} file of those"
            )
        return (
            f"{winner.candidate} has a {metric} ({quality}) within {TIE:.1%} of {best_named}, and the smallest file of "
            "those"
        )


def _among(within: Sequence[Variant], compared: Sequence[Variant]) -> str:
    if not within:
        return "no file meets the limits; of all, "
    if len(within) < len(compared):
        return f"of the files that meet the limits ({len(within)} of {len(compared)}), "
    candidates = _count_candidates(compared)
    return f"of {candidates} candidates, " if candidates > 1 else ""


def _count_candidates(variants: Sequence[Variant]) -> int:
    return len({variant.candidate for variant in variants})
