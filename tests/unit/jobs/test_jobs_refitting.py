"""The winner is trained once more, on the validation rows too; what is said of it was measured before."""

from __future__ import annotations

from pathlib import Path

from pipeline.bootstrap import Job
from pipeline.contracts.job_spec import Compression, JobSpec
from pipeline.contracts.names import RunKeys
from pipeline.contracts.outcome import TRAINED
from pipeline.contracts.plan import Candidate, Plan
from pipeline.contracts.variant import Variant, VariantSet
from pipeline.intake.run_log import RunLog
from pipeline.jobs.compress import compress
from pipeline.jobs.job import run_job
from pipeline.training.machine import Machine
from pipeline.training.trainer import Trainer
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.fakes.tabular import table

RUN = "demo_wine_0123456789ab"
KEYS = RunKeys.of(RUN)


def _winner(tmp_path: Path, algorithm: str, **spec: object) -> Variant:
    """The one candidate's file after the compress job."""
    store, rows = FakeObjectStore(), table(rows=200)
    candidate = Candidate(name=algorithm, algorithm=algorithm, settings={"epochs": 1} if algorithm == "mlp" else {})
    store.put(KEYS.plan, Plan(metric="accuracy", candidates=(candidate,), jobs=()).to_bytes())
    store.put(KEYS.spec, JobSpec(compression=Compression(precisions=("fp32",)), **spec).to_bytes())  # type: ignore[arg-type]
    store.put(KEYS.dataset, rows.dataset.to_bytes())
    for name, split in rows.splits.items():
        split.write_parquet(tmp_path / f"{name}.parquet")
        store.upload(tmp_path / f"{name}.parquet", KEYS.split(name))
    trainer = Trainer(
        dataset=rows.dataset, splits=rows.splits, machine=Machine(device="cpu", description="cpu", threads=1), seed=0
    )
    folder = tmp_path / "candidate"
    folder.mkdir()
    trainer.train(candidate, folder, lambda text: None)
    for file in sorted(folder.iterdir(), key=lambda file: file.name == TRAINED):
        store.upload(file, KEYS.candidate(algorithm, file.name))
    job = Job(artifacts=store, runs=RunLog(FakeTable()), queue="cpu", attempt=1)
    assert run_job(compress, ["--run", RUN, "--job", "compress"], connect=lambda run: job) == 0
    (variant,) = VariantSet.from_bytes(store.get(KEYS.variants)).variants
    return variant


def test_its_file_is_another_and_its_quality_the_one_of_rows_it_had_not_seen(tmp_path: Path) -> None:
    once = _winner(_new(tmp_path / "once"), "linear", refit=False)
    again = _winner(_new(tmp_path / "again"), "linear")
    assert once.artifact is not None
    assert again.artifact is not None
    assert again.artifact.sha256 != once.artifact.sha256
    assert (again.quality, again.interval) == (once.quality, once.interval)
    assert again.reason.startswith("trained once more, on the validation rows too")


def test_a_network_that_stops_by_the_validation_rows_stays_as_it_is(tmp_path: Path) -> None:
    assert _winner(tmp_path, "mlp").reason == ""


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
