"""Make an uploaded model the run's candidate; a separate process reads it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.contracts.errors import InputError, ObjectNotFoundError
from pipeline.contracts.object_keys import CALIBRATION, parse_upload_key
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import TRAINED, UPLOADED, CandidateOutcome, TrainedCandidate
from pipeline.contracts.records.plan import BROUGHT
from pipeline.contracts.records.run import Upload
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import choose_metric
from pipeline.jobs.runtime.job import JobContext
from pipeline.validation.quarantine import quarantine

__all__ = ["bring"]

_log = logging.getLogger(__name__)


def bring(context: JobContext) -> Sequence[CandidateOutcome]:
    """Check the uploaded model, and write what training would write: a candidate, the data set, its splits, the metric.

    Raises:
        InvalidModelError: The model cannot be served; quarantine has a copy of it and a report.
        InvalidJobSpecError: train.yaml does not fit the model.
    """
    keys, artifacts = context.keys, context.artifacts
    trained = context.read_trained(BROUGHT)
    if trained is None:
        upload = Upload.from_bytes(artifacts.get(keys.upload))
        try:
            trained = _read(context, parse_upload_key(upload.key).file)
        except InputError as error:
            model = keys.candidate(BROUGHT, UPLOADED)
            quarantine(context.run, upload, error, uploads=artifacts, artifacts=artifacts, key=model)
            raise
    return [CandidateOutcome(candidate=BROUGHT, status="trained", seconds=trained.seconds)]


def _read(context: JobContext, file: str) -> TrainedCandidate:
    from pipeline.brought.description import BroughtTask
    from pipeline.brought.process import read_in_subprocess
    from pipeline.brought.reading import CANDIDATE, DATASET, SPEC, TASK

    keys, artifacts = context.keys, context.artifacts
    folder = context.workdir / "subprocess"
    folder.mkdir()
    artifacts.download(keys.candidate(BROUGHT, UPLOADED), folder / UPLOADED)
    has_calibration = True
    try:
        artifacts.download(keys.candidate(BROUGHT, CALIBRATION), folder / CALIBRATION)
    except ObjectNotFoundError:
        has_calibration = False
    task = BroughtTask(file=file, spec=context.read_spec(), has_calibration=has_calibration)
    (folder / TASK).write_bytes(task.to_bytes())
    context.report(f"{file}: check")
    read_in_subprocess(folder, file)
    out = folder / "out"
    dataset = Dataset.from_bytes((out / DATASET).read_bytes())
    spec = JobSpec.from_bytes((out / SPEC).read_bytes())
    plan = context.read_plan().model_copy(update={"metric": choose_metric(spec.metric, dataset)})
    for split in ("train", "validation", "test"):
        artifacts.upload(out / f"{split}.parquet", keys.split(split))
    for record, key in ((dataset, keys.dataset), (spec, keys.spec), (plan, keys.plan)):
        artifacts.put(key, record.to_bytes(), content_type="application/json")
    context.keep_candidate(BROUGHT, out / CANDIDATE)
    _log.info("model read", extra={"columns": len(dataset.columns), "task": dataset.task})
    return TrainedCandidate.from_bytes((out / CANDIDATE / TRAINED).read_bytes())
