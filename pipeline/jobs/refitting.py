"""The compress job's last step: the winner is trained once more, on the validation rows too.

What is said of it was measured before, on rows that it had not seen; the test rows are the judge of what is served.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.contracts.catalogue import catalogue
from pipeline.contracts.declaration import Settings
from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.outcome import TrainedCandidate
from pipeline.contracts.plan import Candidate, Plan
from pipeline.contracts.variant import Variant, VariantSet
from pipeline.jobs.job import JobContext
from pipeline.selection.limits import misses
from pipeline.selection.select import select

if TYPE_CHECKING:
    from pipeline.training.trainer import Trainer

__all__ = ["refit", "trained_again"]

_log = logging.getLogger(__name__)

_AGAIN = "trained once more, on the validation rows too; its quality was measured before"
_MOST_SECONDS = 600.0  # that the first training took
TrainAgain = Callable[[Candidate], TrainedCandidate]
MakeVariants = Callable[[Sequence[TrainedCandidate]], VariantSet]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Winner:
    variant: Variant
    trained: TrainedCandidate

    def again(self) -> Candidate:
        """With the settings that were found, its files under a name of its own."""
        name, settings = f"{self.trained.candidate}.again", self.trained.settings
        return Candidate(name=name, algorithm=self.trained.algorithm, settings=settings)


def refit(  # noqa: PLR0913 - the doors of a step, each by its name
    made: VariantSet,
    *,
    trained: Sequence[TrainedCandidate],
    plan: Plan,
    spec: JobSpec,
    train: TrainAgain,
    make: MakeVariants,
) -> VariantSet:
    """``made``, its winner's file replaced; as it is where there is nothing to gain, or it did not succeed.

    ``train`` learns from all rows but the test's and keeps the files; ``make``: as compression.make_variants does,
    verified and measured.
    """
    winner = _winner(made, trained, plan, spec)
    if winner is None:
        return made
    try:
        again = train(winner.again())
        (variant, *_) = make([again]).variants
    except Exception as error:  # noqa: BLE001 - what was made before is there, whatever a library raises here
        _log.error("not trained again", extra={"candidate": winner.trained.candidate}, exc_info=error)
        return made
    kept = {"artifact": variant.artifact, "latency_us": variant.latency_us, "reason": _AGAIN}
    replaced = winner.variant.model_copy(update=kept)
    before, after = (misses(one, plan.metric, spec.limits) for one in (winner.variant, replaced))
    if variant.status != "ok" or len(after) > len(before):
        return made
    _log.info("trained again", extra={"candidate": winner.trained.candidate, "seconds": again.seconds})
    variants = tuple(replaced if one == winner.variant else one for one in made.variants)
    return made.model_copy(update={"variants": variants})


def _winner(made: VariantSet, trained: Sequence[TrainedCandidate], plan: Plan, spec: JobSpec) -> _Winner | None:
    """The one that selection will choose, if its training looks at the validation rows only to be measured."""
    variant = select(made, metric=plan.metric, spec=spec).winner
    found = next((one for one in trained if one.candidate == variant.candidate), None)
    if found is None or variant.precision != "fp32" or found.seconds > _MOST_SECONDS:
        return None
    return _Winner(variant=variant, trained=found) if _learns_from_all(found.algorithm, found.settings) else None


def _learns_from_all(algorithm: str, settings: Settings) -> bool:
    refits, folds = catalogue()[algorithm].refits, settings.get("folds")
    return refits == "always" or (refits == "folded" and isinstance(folds, int) and folds > 1)


def trained_again(context: JobContext, trainer: Callable[[], Trainer]) -> TrainAgain:
    """``train`` of refit, in a job."""

    def train(candidate: Candidate) -> TrainedCandidate:
        context.report(f"{candidate.name}: trains on the validation rows too")
        folder = context.workdir / candidate.name
        folder.mkdir()
        again = trainer().with_all_rows().train(candidate, folder, lambda text: None)
        context.keep_candidate(candidate.name, folder)
        return again

    return train
