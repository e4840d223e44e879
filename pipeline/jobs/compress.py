"""``python -m pipeline.jobs.compress --run RUN --job compress``: verify, compress and measure candidates."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from pipeline.contracts.records.ensemble import Ensemble, NotMade
from pipeline.contracts.records.outcome import CandidateOutcome
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.variant import Variant
from pipeline.jobs.ensembling import MIN_MEMBERS, read_ensemble, read_trained
from pipeline.jobs.runtime.job import JobContext, end_process, run_job
from pipeline.jobs.runtime.splits import read_seen_rows, read_training_rows, read_validation

__all__ = ["compress"]

_log = logging.getLogger(__name__)


def compress(context: JobContext) -> Sequence[CandidateOutcome]:
    """Write the run's VariantSet.

    Raises:
        ExportMismatchError: No candidate's file predicts like the model that was trained.
        IntegrityError: No candidate's file is the file that training wrote.
    """
    from pipeline.compression.make_variants import make_variants

    keys, artifacts, plan = context.keys, context.artifacts, context.read_plan()
    trained = list(read_trained(context, [candidate.name for candidate in plan.candidates]))
    ensemble = read_ensemble(context) or _lost_ensemble(plan, len(trained))
    trained += read_trained(context, ensemble.candidates)
    validation = read_validation(artifacts, keys, context.workdir)
    has_bags = any(candidate.folds for candidate in trained)
    variant_set = make_variants(
        trained,
        artifacts=artifacts,
        keys=keys,
        dataset=context.read_dataset(),
        validation=validation,
        spec=context.read_spec(),
        report=context.report,
        seen_rows=read_seen_rows(artifacts, keys, context.workdir, validation) if has_bags else None,
        read_training=partial(read_training_rows, artifacts, keys, context.workdir, seed=plan.seed),
        threads=context.machine.threads,
    )
    skipped = map(_skipped_variant, ensemble.not_made)
    variant_set = variant_set.model_copy(update={"variants": (*variant_set.variants, *skipped)})
    for variant in variant_set.variants:
        shown = variant.model_dump(include={"candidate", "precision", "status", "reason", "latency_us"})
        _log.info("variant", extra=shown)
    artifacts.put(keys.variants, variant_set.to_bytes(), content_type="application/json")
    return ()


def _lost_ensemble(plan: Plan, trained: int) -> Ensemble:
    """Return an empty ensemble, with the reason if the plan has an ensemble job."""
    if plan.ensemble is None or trained < MIN_MEMBERS:
        return Ensemble()
    return Ensemble(not_made=(NotMade(name=plan.ensemble.candidates[0], reason="its job was lost"),))


def _skipped_variant(absent: NotMade) -> Variant:
    name, reason = absent.name, absent.reason
    return Variant(candidate=name, algorithm=name, precision="fp32", status="not_applicable", reason=reason)


if __name__ == "__main__":
    end_process(run_job(compress))
