"""The choice: VariantSet -> Selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.contracts.records.variant import CandidateReport, LeaderboardRow, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import quality_metric
from pipeline.evaluation.ranking import TIE, is_tied, ranking_score
from pipeline.selection.limits import violations
from pipeline.selection.pareto import costs, front, repeatable_costs

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

    Candidates within 0.1 % of the best are tied: the one with the smallest file wins, then the first by name. Measured
    times decide nothing but ``limits.max_latency_us``, so that two machines choose alike. Only files that keep the
    limits of ``spec``, and that no other such file beats in quality and size, are chosen from; where none keeps them,
    ``unmet`` says what even the best misses. At least one variant is ok: compression fails the run otherwise.

    Args:
        variants: Made and measured.
        metric: The plan's.
        spec: Its limits.
        tried: What became of each candidate, for the record.
        notes: What the limits made of the plan, for the record.
    """
    compared = [variant for variant in variants.variants if variant.status == "ok"]
    limited = quality_metric(spec.metric, metric)
    within = [variant for variant in compared if not violations(variant, limited, spec.limits)]
    ranking = _Ranking(metric=metric, by_folds=variants.by_folds, full_precision=_full_precision(compared))
    winner = ranking.winner(within or compared)
    return Selection(
        metric=metric,
        quality_metric=limited,
        by_folds=variants.by_folds,
        winner=winner,
        leaderboard=ranking.leaderboard(variants.variants, winner),
        reason=ranking.reason(winner, within, compared),
        unmet=violations(winner, limited, spec.limits),
        tried=tried,
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ranking:
    """What variants are compared by. ``full_precision``: candidate -> its fp32 file, where that was made."""

    metric: str
    by_folds: bool
    full_precision: Mapping[str, Variant]

    def winner(self, eligible: Sequence[Variant]) -> Variant:
        """From the front alone: a quantized file that lost a little may be beaten by another candidate in both."""
        smallest = self._smallest_files(eligible)
        tied = self._tied(smallest)
        return min(tied, key=lambda variant: (_bytes(variant), variant.candidate))

    def leaderboard(self, variants: Sequence[Variant], winner: Variant) -> tuple[LeaderboardRow, ...]:
        """Those that are ok by the metric, then what was rejected, then what does not apply."""
        compared = [variant for variant in variants if variant.status == "ok"]
        on_front = front(compared, self.metric, costs)
        ranked = sorted(compared, key=lambda v: (*repeatable_costs(v, self.metric), v.candidate, v.precision))
        rest = sorted(
            (variant for variant in variants if variant.status != "ok"),
            key=lambda v: (v.status == "not_applicable", v.candidate, v.precision),
        )
        rows = [
            LeaderboardRow(rank=rank, variant=variant, on_front=variant in on_front, winner=variant == winner)
            for rank, variant in enumerate(ranked, start=1)
        ]
        return (*rows, *(LeaderboardRow(rank=None, variant=variant) for variant in rest))

    def reason(self, winner: Variant, within: Sequence[Variant], compared: Sequence[Variant]) -> str:
        """Say why ``winner`` was chosen: among what, by which number, and how a tie was broken."""
        sentence = f"{_among(within, compared)}, {self._comparison(winner, within or compared)}"
        full = self._full(winner)
        if full == winner:
            return sentence
        times = _bytes(full) / _bytes(winner)
        return f"{sentence}; its {winner.precision} file passed the gates and is {times:.1f} times smaller than fp32"

    def _comparison(self, winner: Variant, eligible: Sequence[Variant]) -> str:
        what = f"{'cross-validated' if self.by_folds else 'validation'} {self.metric}"
        tied = self._tied(self._smallest_files(eligible))
        best = max(tied, key=self._score)
        own = self._full(winner).quality[self.metric]
        if self._score(winner) == self._score(best):
            return f"{winner.candidate} has the best {what} ({own:.6g})"
        return (
            f"{winner.candidate} has a {what} ({own:.6g}) within {TIE:.1%} of the best ({best.candidate}, "
            f"{self._full(best).quality[self.metric]:.6g}), and the smallest file of those"
        )

    def _smallest_files(self, eligible: Sequence[Variant]) -> list[Variant]:
        """Of each candidate the smallest file on the front of quality and size."""
        files: dict[str, Variant] = {}
        for variant in sorted(front(eligible, self.metric, repeatable_costs), key=lambda v: (_bytes(v), v.precision)):
            files.setdefault(variant.candidate, variant)
        return list(files.values())

    def _tied(self, files: Sequence[Variant]) -> list[Variant]:
        """Those whose candidates are within a tie of the best."""
        best = self._full(max(files, key=self._score)).quality[self.metric]
        return [file for file in files if is_tied(self._full(file).quality[self.metric], best)]

    def _score(self, variant: Variant) -> float:
        return ranking_score(self._full(variant).quality, self.metric)

    def _full(self, variant: Variant) -> Variant:
        return self.full_precision.get(variant.candidate, variant)


def _among(within: Sequence[Variant], compared: Sequence[Variant]) -> str:
    if not within:
        return "no file meets the limits; of all"
    if len(within) < len(compared):
        return f"of the files that meet the limits ({len(within)} of {len(compared)})"
    candidates = len({variant.candidate for variant in compared})
    return f"of {candidates} candidates" if candidates > 1 else "of 1 candidate"


def _bytes(variant: Variant) -> int:
    assert variant.artifact is not None, "a variant that is ok was made"
    return variant.artifact.bytes


def _full_precision(variants: Sequence[Variant]) -> dict[str, Variant]:
    return {variant.candidate: variant for variant in variants if variant.precision == "fp32"}
