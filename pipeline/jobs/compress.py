"""``python -m pipeline.jobs.compress --run RUN --job compress``: what was trained is blended, verified, measured."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cache, partial

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import TRAINED, CandidateOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.jobs.ensembling import NotMade, make_ensemble
from pipeline.jobs.runtime.job import JobContext, end_process, run_job
from pipeline.jobs.runtime.splits import read_learned, read_trainer, read_validation

__all__ = ["compress"]

_log = logging.getLogger(__name__)


def compress(context: JobContext) -> Sequence[CandidateOutcome]:
    """Write the run's VariantSet; raise ExportMismatchError or IntegrityError when no candidate's export is right."""
    from pipeline.compression.make_variants import make_variants

    keys, artifacts = context.keys, context.artifacts
    spec, plan = JobSpec.from_bytes(artifacts.get(keys.spec)), Plan.from_bytes(artifacts.get(keys.plan))
    dataset, trained = Dataset.from_bytes(artifacts.get(keys.dataset)), list(_trained(context, plan))
    trainer = cache(partial(read_trainer, context, plan, spec))  # whoever needs it first reads the rows
    # A student would learn from the rows once more, and that is not private.
    blended = spec.blend and not spec.training.privacy and len(trained) > 1
    ensemble, left_out = make_ensemble(context, trained, trainer) if blended else ([], [])
    has_trainer = trainer.cache_info().currsize > 0
    validation = trainer().splits["validation"] if has_trainer else read_validation(artifacts, keys, context.workdir)
    has_bags = any(candidate.folds for candidate in trained)
    made = make_variants(
        [*trained, *ensemble],
        artifacts=artifacts,
        keys=keys,
        dataset=dataset,
        validation=validation,
        spec=spec,
        report=context.report,
        learned=read_learned(artifacts, keys, context.workdir, validation) if has_bags else None,
    )
    made = made.model_copy(update={"variants": (*made.variants, *map(_skipped_variant, left_out))})
    for variant in made.variants:
        shown = variant.model_dump(include={"candidate", "precision", "status", "reason", "latency_us"})
        _log.info("variant", extra=shown)
    artifacts.put(keys.variants, made.to_bytes(), content_type="application/json")
    return ()


def _skipped_variant(one: NotMade) -> Variant:
    return Variant(candidate=one.name, algorithm=one.name, precision="fp32", status="not_applicable", reason=one.reason)


def _trained(context: JobContext, plan: Plan) -> Iterator[TrainedCandidate]:
    """Of the plan's candidates, in its order, those that were trained."""
    for candidate in plan.candidates:
        try:
            yield TrainedCandidate.from_bytes(context.artifacts.get(context.keys.candidate(candidate.name, TRAINED)))
        except ObjectNotFoundError:
            _log.info("not trained", extra={"candidate": candidate.name})


if __name__ == "__main__":
    end_process(run_job(compress))
