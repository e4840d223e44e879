"""The choice: VariantSet -> Selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.records.variant import CandidateReport, LeaderboardRow, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.ranking import score_label, shown
from pipeline.selection.limits import violations
from pipeline.selection.pareto import costs, front

__all__ = ["select"]


def select(
    variants: VariantSet,
    *,
    metric: str,
    spec: JobSpec,
    tried: tuple[CandidateReport, ...] = (),
    notes: tuple[str, ...] = (),
) -> Selection:
    """Choose the candidate whose fp32 file has the best ``metric``, and of it the smallest file that kept its gates.

    Only files that keep the limits of ``spec`` and that no other such file dominates are chosen from; where none keeps
    them, ``unmet`` says what even the best misses. At least one variant is ok: compression fails the run otherwise.
    """
    made = [variant for variant in variants.variants if variant.status == "ok"]
    within = [variant for variant in made if not violations(variant, metric, spec.limits)]
    compared = _Ranking(metric=metric, by_folds=variants.by_folds)
    winner = compared.winner(within or made, made)
    return Selection(
        metric=metric,
        by_folds=variants.by_folds,
        winner=winner,
        leaderboard=compared.leaderboard(variants.variants, winner),
        reason=compared.reason(winner, made, fitting=len(within)),
        unmet=violations(winner, metric, spec.limits),
        tried=tried,
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ranking:
    """What variants are compared by."""

    metric: str
    by_folds: bool

    def costs(self, variant: Variant) -> tuple[float, float, float]:
        return costs(variant, self.metric, by_folds=self.by_folds)

    def front(self, variants: Sequence[Variant]) -> list[Variant]:
        return front(variants, self.metric, by_folds=self.by_folds)

    def winner(self, eligible: Sequence[Variant], made: Sequence[Variant]) -> Variant:
        """From the front alone: a quantized file that lost a little may be beaten by another candidate in all."""
        full = _full_precision(made)
        best = self.front(eligible)

        def place(variant: Variant) -> tuple[tuple[float, float, float], str]:
            return self.costs(full.get(variant.candidate, variant)), variant.candidate

        leader = min(best, key=place).candidate
        return min((v for v in best if v.candidate == leader), key=lambda v: (*reversed(self.costs(v)), v.precision))

    def leaderboard(self, variants: Sequence[Variant], winner: Variant) -> tuple[LeaderboardRow, ...]:
        """Those that are ok by the metric, then what was rejected, then what does not apply."""
        made = [variant for variant in variants if variant.status == "ok"]
        on_front = self.front(made)
        ranked = sorted(made, key=lambda v: (*self.costs(v), v.candidate, v.precision))
        rest = sorted(
            (variant for variant in variants if variant.status != "ok"),
            key=lambda v: (v.status == "not_applicable", v.candidate, v.precision),
        )
        rows = [
            LeaderboardRow(rank=rank, variant=variant, on_front=variant in on_front, winner=variant == winner)
            for rank, variant in enumerate(ranked, start=1)
        ]
        return (*rows, *(LeaderboardRow(rank=None, variant=variant) for variant in rest))

    def reason(self, winner: Variant, made: Sequence[Variant], *, fitting: int) -> str:
        full = _full_precision(made).get(winner.candidate, winner)
        if not fitting:
            among = "no file meets the limits; of all"
        elif fitting < len(made):
            among = f"of the files that meet the limits ({fitting} of {len(made)})"
        else:
            candidates = len({variant.candidate for variant in made})
            among = f"of {candidates} candidates" if candidates > 1 else "of 1 candidate"
        found = shown(full.quality, self.metric, by_folds=self.by_folds)
        rows = "cross-validated" if self.by_folds else "validation"
        by = score_label(self.metric, by_folds=self.by_folds)
        sentence = f"{among}, {winner.candidate} has the best {rows} {by} ({found})"
        if full == winner:
            return sentence
        assert winner.artifact is not None, "a winner was made"
        assert full.artifact is not None, "so was the file that it came from"
        times = full.artifact.bytes / winner.artifact.bytes
        return f"{sentence}; its {winner.precision} file passed the gates and is {times:.1f} times smaller than fp32"


def _full_precision(variants: Sequence[Variant]) -> dict[str, Variant]:
    return {variant.candidate: variant for variant in variants if variant.precision == "fp32"}
