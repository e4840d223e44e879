"""Select the variant to serve, and explain the choice."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.records.variant import CandidateReport, LeaderboardRow, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import quality_metric
from pipeline.evaluation.ranking import TIE
from pipeline.selection.limits import missed_limits
from pipeline.selection.outcomes import OutcomeExplainer
from pipeline.selection.pareto import front, score_of, size_of
from pipeline.selection.preference import Preference

__all__ = ["select"]

_MAX_NEAREST = 3  # number of variants to name if none is within the limits


def select(
    variants: VariantSet,
    *,
    metric: str,
    spec: JobSpec,
    tried: tuple[CandidateReport, ...] = (),
    notes: tuple[str, ...] = (),
) -> Selection:
    """Choose the variant to serve, by ``limits.prefer``, from the Pareto front over quality, latency and size.

    Candidates are compared by their fp32 files; within 0.1 % of the best they are tied. A variant is eligible if it
    passed the gates of compression (status ``ok``) and is within the limits of ``spec``. If no variant is within the
    limits, all that are ok are eligible, and ``unmet`` names the limits that the winner misses.

    Args:
        variants: The measured variants; at least one is ok, since compression fails the run otherwise.
        metric: Metric that the plan compares candidates by.
        spec: JobSpec with the limits and the preference.
        tried: Reports on the candidates, copied to the selection.
        notes: Notes on how the limits changed the plan, copied to the selection.

    Returns:
        The winner, and every variant with the reason why it is served or not.
    """
    compared = sorted(
        (variant for variant in variants.variants if variant.status == "ok"), key=lambda variant: variant.display_name
    )
    limited = quality_metric(spec.metric, metric)
    missed = {variant.display_name: missed_limits(variant, limited, spec.limits) for variant in compared}
    within = [variant for variant in compared if not missed[variant.display_name]]
    preference = Preference(
        metric=metric,
        prefer=spec.limits.prefer,
        max_drop=spec.compression.max_quality_drop,
        full_precision={
            variant.candidate: variant for variant in compared if variant.precision == "fp32" and not variant.passes
        },
    )
    winner = preference.choose(within or compared)
    nearest = sorted(missed, key=lambda name: (max(missed[name].values(), default=0.0), name))
    reason = _explain(winner, within, compared, preference, by_folds=variants.by_folds)
    explainer = OutcomeExplainer(
        preference=preference,
        winner=winner,
        eligible=within or compared,
        misses={name: tuple(sentences) for name, sentences in missed.items()},
        reason=reason,
    )
    return Selection(
        metric=metric,
        quality_metric=limited,
        by_folds=variants.by_folds,
        winner=winner,
        leaderboard=_leaderboard(variants.variants, explainer),
        reason=reason,
        unmet=explainer.misses[winner.display_name],
        nearest=() if within else tuple(nearest[:_MAX_NEAREST]),
        prefer=spec.limits.prefer,
        tried=tried,
        notes=notes,
    )


def _leaderboard(variants: Sequence[Variant], explainer: OutcomeExplainer) -> tuple[LeaderboardRow, ...]:
    """Return the rows of the leaderboard: ok variants sorted by the metric, then rejected, then not applicable ones."""
    metric = explainer.preference.metric
    compared = [variant for variant in variants if variant.status == "ok"]
    on_front = front(compared, metric)
    ranked = sorted(compared, key=lambda v: (-score_of(v, metric), size_of(v), v.candidate, v.precision, v.name))
    unranked = sorted(
        (variant for variant in variants if variant.status != "ok"),
        key=lambda v: (v.status == "not_applicable", v.candidate, v.precision, v.name),
    )
    numbered: list[tuple[int | None, Variant]] = [*enumerate(ranked, 1), *((None, variant) for variant in unranked)]
    rows = []
    for rank, variant in numbered:
        outcome, reason = explainer.explain(variant)
        rows.append(
            LeaderboardRow(
                rank=rank,
                variant=variant,
                on_front=variant in on_front,
                winner=variant == explainer.winner,
                outcome=outcome,
                reason=reason,
                misses=explainer.misses.get(variant.display_name, ()),
            )
        )
    return tuple(rows)


def _explain(
    winner: Variant, within: Sequence[Variant], compared: Sequence[Variant], preference: Preference, *, by_folds: bool
) -> str:
    """Explain why the winner was chosen: from which files, by which metric, and how a tie was broken."""
    metric = f"{'cross-validated' if by_folds else 'validation'} {preference.metric}"
    explanation = _scope(within, compared) + _explain_candidate(winner, within or compared, preference, metric)
    full = preference.full_precision.get(winner.candidate, winner)
    if full == winner:
        return explanation
    cost = max(0.0, preference.drop(full, winner))
    return (
        f"{explanation}; {winner.display_name} is {cost:.2%} worse and "
        f"{size_of(full) / size_of(winner):.1f} times smaller than fp32"
    )


def _explain_candidate(winner: Variant, eligible: Sequence[Variant], preference: Preference, metric: str) -> str:
    quality = f"{preference.candidate_quality(winner):.6g}"
    if _count_candidates(eligible) == 1:
        return f"{winner.candidate} is the only candidate ({metric} {quality})"
    best = max(front(eligible, preference.metric), key=preference.candidate_score)
    if preference.candidate_score(winner) == preference.candidate_score(best):
        return f"{winner.candidate} has the best {metric} ({quality})"
    comparison, cheapest = f"within {TIE:.1%} of", "smallest"
    if preference.prefer in ("size", "latency"):
        comparison, cheapest = "not measurably worse than", "smallest" if preference.prefer == "size" else "fastest"
    return (
        f"{winner.candidate} has a {metric} ({quality}) {comparison} the best ({best.candidate}, "
        f"{preference.candidate_quality(best):.6g}), and the {cheapest} file of those"
    )


def _scope(within: Sequence[Variant], compared: Sequence[Variant]) -> str:
    if not within:
        return "no file meets the limits; of all, "
    if len(within) < len(compared):
        return f"of the files that meet the limits ({len(within)} of {len(compared)}), "
    candidates = _count_candidates(compared)
    return f"of {candidates} candidates, " if candidates > 1 else ""


def _count_candidates(variants: Sequence[Variant]) -> int:
    return len({variant.candidate for variant in variants})
