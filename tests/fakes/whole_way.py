"""Run everything from a dropped file to a served model in this process: a run's functions and jobs, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.bootstrap import Job
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import Upload
from pipeline.contracts.records.variant import Selection, VariantSet
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.card.card import EvaluationContext, evaluate
from pipeline.evaluation.stored_models import unpack_model
from pipeline.intake.run_log import RunLog
from pipeline.jobs.compress import compress
from pipeline.jobs.ensemble import ensemble
from pipeline.jobs.runtime.job import run_job
from pipeline.jobs.train import train
from pipeline.planning.plan import plan
from pipeline.selection.select import select
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import make_session_factory
from pipeline.validation.validate import validate
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import NOW
from tests.fakes.table import FakeTable

__all__ = ["RUN", "Learned", "csv", "learn"]

RUN = "demo_model_0123456789ab"
_KEYS = RunKeys(RUN)


@dataclass(frozen=True)
class Learned:
    """The results of a run."""

    dataset: Dataset
    plan: Plan
    selection: Selection
    card: ModelCard
    golden: GoldenPredictions
    model: LoadedModel
    artifacts: FakeObjectStore

    @property
    def signature(self) -> Signature:
        return self.model.signature

    def predict(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = json.loads(infer_document(self.model, {"rows": rows}).body)["predictions"]
        return answer

    def test_rows(self) -> pl.DataFrame:
        """Return the test rows of the split files."""
        return pl.read_parquet(self.artifacts.get(_KEYS.split("test")))


def csv(columns: Mapping[str, list[Any]]) -> bytes:
    """Return columns as a csv file."""
    return pl.DataFrame(columns, strict=False).write_csv().encode()


def learn(body: bytes, workdir: Path, *, spec: str = "", file: str = "data.csv", target: str = "") -> Learned:
    """Do everything that a run does with a file, except registering the model."""
    uploads, artifacts = FakeObjectStore("uploads"), FakeObjectStore("artifacts")
    key = f"demo/model/{file}"
    if spec:
        uploads.put("demo/model/train.yaml", spec.encode())
    metadata = {"target": target} if target else {}
    uploads.put(key, body, metadata=metadata)
    head = uploads.head(key)
    upload = Upload(
        bucket="uploads", key=key, version_id=head.version_id, bytes=head.bytes, etag=head.etag, metadata=metadata
    )
    folder = workdir / "validate"
    folder.mkdir()
    dataset = validate(RUN, upload, uploads=uploads, artifacts=artifacts, workdir=folder)
    read = JobSpec.from_bytes(artifacts.get(_KEYS.spec))
    planned = plan(dataset, read)
    artifacts.put(_KEYS.plan, planned.to_bytes())
    _run_jobs(artifacts, planned)
    selection = select(VariantSet.from_bytes(artifacts.get(_KEYS.variants)), metric=planned.metric, spec=read)
    winner = selection.winner
    assert winner.artifact is not None
    stored = artifacts.get(winner.artifact.key)
    splits = {name: pl.read_parquet(artifacts.get(_KEYS.split(name))) for name in ("train", "validation", "test")}
    card, golden = evaluate(
        selection,
        run=RUN,
        model="model",
        dataset=dataset,
        stored=stored,
        test=splits.pop("test"),
        background=EvaluationContext(splits=splits),
        now=NOW,
    )
    model = LoadedModel(
        tenant="demo",
        model="model",
        version=1,
        signature=Signature.from_dict(json.loads(json.dumps(dataset.signature_of(winner.classes).to_dict()))),
        session=make_session_factory(1)(unpack_model(stored, "the winner's file")),
    )
    return Learned(dataset, planned, selection, card, golden, model, artifacts)


def _run_jobs(artifacts: FakeObjectStore, planned: Plan) -> None:
    runs = RunLog(FakeTable())
    runs.create(RUN, tenant="demo", model="model", file="data.csv", started_at=NOW)
    for job in planned.jobs:
        connected = Job(artifacts=artifacts, runs=runs, queue=job.queue, attempt=1)
        assert run_job(train, ["--run", RUN, "--job", job.name], connect=lambda run, job=connected: job) == 0
    connected = Job(artifacts=artifacts, runs=runs, queue="cpu", attempt=1)
    assert run_job(ensemble, ["--run", RUN, "--job", "ensemble"], connect=lambda run: connected) == 0
    assert run_job(compress, ["--run", RUN, "--job", "compress"], connect=lambda run: connected) == 0
