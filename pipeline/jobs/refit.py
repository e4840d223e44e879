"""The compress job's last step: refit the winner on training and validation rows.

What is said of it was measured before, on rows that it had not seen; the test rows are the judge of what is served.
Of few rows a network, which needs rows to stop by, becomes the mean of five that stop by a fifth each; of a blend each
member is retrained, and its weight stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.dataset import REFIT_FOLDS, Dataset
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.plan import Candidate, Plan
from pipeline.contracts.records.variant import Variant, VariantSet
from pipeline.contracts.spec.algorithm_catalog import catalogue
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import quality_metric
from pipeline.jobs.ensembling import load_members
from pipeline.jobs.runtime.job import JobContext
from pipeline.selection.limits import violations
from pipeline.selection.select import select

if TYPE_CHECKING:
    from pipeline.training.trainer import Trainer

__all__ = ["JobRefitter", "Refitter", "refit"]

_log = logging.getLogger(__name__)

_REFIT_REASON = "retrained with the validation rows added; the scores above are from before that"
_BLEND = "blend"
_MOST_SECONDS = 600.0  # that it may take, by what the first trainings took
_RefitMethod = Literal["whole", "folds", "no"]

MakeVariants = Callable[[Sequence[TrainedCandidate]], VariantSet]


class Refitter(Protocol):
    """Trains on all rows but the test's, and keeps the files."""

    def train(self, candidate: Candidate) -> TrainedCandidate: ...

    def blend(self, name: str, parts: Sequence[TrainedCandidate], weights: Mapping[str, float]) -> TrainedCandidate:
        """``parts`` in the order of ``weights``."""
        ...


def refit(  # noqa: PLR0913 - the doors of a step, each by its name
    made: VariantSet,
    *,
    trained: Sequence[TrainedCandidate],
    dataset: Dataset,
    plan: Plan,
    spec: JobSpec,
    again: Refitter,
    make: MakeVariants,
) -> VariantSet:
    """``made``, its winner's files replaced; as it is where there is nothing to gain, or it did not succeed.

    ``trained``: with the blend. ``make``: as compression.make_variants does, verified and measured.
    """
    winner = select(made, metric=plan.metric, spec=spec).winner
    refitting = _Refitting(trained={one.candidate: one for one in trained}, dataset=dataset, again=again)
    found = refitting.trained.get(winner.candidate)
    if found is None or not 0 < refitting.seconds(found) <= min(_MOST_SECONDS, 60 * spec.limits.minutes):
        return made
    try:
        variants = make([refitting.of(found)]).variants
    except Exception as error:  # noqa: BLE001 - what was made before is there, whatever a library raises here
        _log.error("not trained again", extra={"candidate": found.candidate}, exc_info=error)
        return made
    # Of every precision: beside a file of the first training one of five models would seem large and slow.
    files = {one.precision: one for one in variants}
    replaced = made.model_copy(
        update={
            "variants": tuple(
                _again(one, files.get(one.precision, one)) if one.candidate == winner.candidate else one
                for one in made.variants
            )
        }
    )
    chosen = select(replaced, metric=plan.metric, spec=spec).winner
    limited = quality_metric(spec.metric, plan.metric)
    before, after = (len(violations(one, limited, spec.limits)) for one in (winner, chosen))
    if chosen.candidate != winner.candidate or after > before:
        return made
    _log.info("trained again", extra={"candidate": found.candidate})
    return replaced


def _again(one: Variant, other: Variant) -> Variant:
    """The file of the further training, with what was measured of the first one's answers."""
    if one.status != "ok":
        return one
    kept = {name: getattr(one, name) for name in ("candidate", "quality", "interval", "train_seconds")}
    return other.model_copy(update={**kept, "reason": "; ".join(filter(None, (_REFIT_REASON, other.reason)))})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refitting:
    trained: Mapping[str, TrainedCandidate]
    dataset: Dataset
    again: Refitter

    def seconds(self, one: TrainedCandidate) -> float:
        """What it will take; 0 where there is nothing to gain."""
        if one.algorithm == _BLEND:
            return sum(self.seconds(self.trained[name]) for name in one.settings)
        return {"whole": 1, "folds": REFIT_FOLDS, "no": 0}[_refit_method(one, self.dataset)] * one.seconds

    def of(self, one: TrainedCandidate) -> TrainedCandidate:
        """Its files under a name of its own; with the settings, or weights, that were found."""
        name = f"{one.candidate}.again"
        if one.algorithm != _BLEND:
            return self.again.train(Candidate(name=name, algorithm=one.algorithm, settings=one.settings))
        weights = {member: float(str(weight)) for member, weight in one.settings.items()}
        members = [self.trained[member] for member in weights]
        parts = [self.of(member) if self.seconds(member) else member for member in members]
        return self.again.blend(name, parts, weights)


def _refit_method(one: TrainedCandidate, dataset: Dataset) -> _RefitMethod:
    """Whether it can learn from all rows: its training looks at the validation rows only to be measured; or in folds,
    the mean of whose models answers."""
    declared, folds = catalogue().get(one.algorithm), one.settings.get("folds")
    if declared is None or one.classes or declared.brings_code:
        return "no"
    if declared.refits == "always":
        return "whole"
    if not dataset.may_be_dealt:
        return "no"
    if declared.refits != "never":
        return "whole" if isinstance(folds, int) and folds > 1 else "no"
    table = {column.kind for column in dataset.columns}.isdisjoint({"text", "image"})
    alone = not (one.quantiles or one.settings.get("base_model") or one.settings.get("privacy_epsilon"))
    return "folds" if dataset.few_rows and table and alone else "no"


@dataclass(frozen=True, kw_only=True)
class JobRefitter:
    """Again, in a job: the trainer is made when it is needed."""

    context: JobContext
    trainer: Callable[[], Trainer]

    def train(self, candidate: Candidate) -> TrainedCandidate:
        self.context.report(f"{candidate.name}: retraining with the validation rows added")
        folder = self._folder() / candidate.name
        folder.mkdir()
        deadline = time.monotonic() + 2 * _MOST_SECONDS  # that the first training was on a GPU is possible
        trainer = replace(self.trainer().with_all_rows(), deadline=deadline)
        trained = trainer.train(candidate, folder, lambda text: None)
        if time.monotonic() > deadline:
            raise CandidateFailedError(f"{candidate.name}: its time ran out")
        self.context.keep_candidate(candidate.name, folder)
        return trained

    def blend(self, name: str, parts: Sequence[TrainedCandidate], weights: Mapping[str, float]) -> TrainedCandidate:
        from pipeline.ensembling.builder import EnsembleBuilder

        folder = self._folder()
        ensembling = EnsembleBuilder(trainer=self.trainer(), workdir=folder, report=self.context.report)
        blended = ensembling.blended(name, load_members(self.context, parts), weights)
        self.context.keep_candidate(name, folder / name)
        return blended

    def _folder(self) -> Path:
        folder = self.context.workdir / "again"
        folder.mkdir(exist_ok=True)
        return folder
