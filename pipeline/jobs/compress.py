"""``python -m pipeline.jobs.compress --run RUN --job compress``: verifies, compresses and measures what was trained."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.outcome import TRAINED, CandidateOutcome, TrainedCandidate
from pipeline.contracts.plan import Plan
from pipeline.jobs.job import JobContext, run_job

__all__ = ["compress"]

_log = logging.getLogger(__name__)


def compress(context: JobContext) -> Sequence[CandidateOutcome]:
    """Write the run's VariantSet; raise ExportMismatchError or IntegrityError when no candidate's export is right."""
    import polars as pl

    from pipeline.compression.make_variants import make_variants

    keys, artifacts = context.keys, context.artifacts
    file = context.workdir / "validation.parquet"
    artifacts.download(keys.split("validation"), file)
    made = make_variants(
        list(_trained(context)),
        artifacts=artifacts,
        keys=keys,
        dataset=Dataset.from_bytes(artifacts.get(keys.dataset)),
        validation=pl.read_parquet(file),
        spec=JobSpec.from_bytes(artifacts.get(keys.spec)),
        report=context.report,
    )
    for variant in made.variants:
        shown = variant.model_dump(include={"candidate", "precision", "status", "reason", "latency_us"})
        _log.info("variant", extra=shown)
    artifacts.put(keys.variants, made.to_bytes(), content_type="application/json")
    return ()


def _trained(context: JobContext) -> Iterator[TrainedCandidate]:
    """Of the plan's candidates, in its order, those that were trained."""
    for candidate in Plan.from_bytes(context.artifacts.get(context.keys.plan)).candidates:
        try:
            yield TrainedCandidate.from_bytes(context.artifacts.get(context.keys.candidate(candidate.name, TRAINED)))
        except ObjectNotFoundError:
            _log.info("not trained", extra={"candidate": candidate.name})


if __name__ == "__main__":
    sys.exit(run_job(compress))
