"""The compress job turns trained candidates into the variants that selection reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.bootstrap import Job
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.plan import Candidate, Plan, TrainingJob
from pipeline.contracts.records.variant import VariantSet
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.intake.run_log import RunLog
from pipeline.jobs.compress import compress
from pipeline.jobs.ensemble import ensemble
from pipeline.jobs.runtime.job import run_job
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.trained_networks import Trained, trained, with_one_wrong_weight

RUN = "demo_wine_0123456789ab"
KEYS = RunKeys(RUN)


@pytest.fixture
def network() -> Trained:
    return trained("wine")


@dataclass
class Counting(FakeObjectStore):
    downloads: list[str] = field(default_factory=list)

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        self.downloads.append(key)
        super().download(key, path, version_id=version_id)


@pytest.fixture
def artifacts(network: Trained, tmp_path: Path) -> Counting:
    """The documents of validation, planning and training, with only the second of two candidates trained."""
    store = Counting()
    planned = (Candidate(name="linear", algorithm="linear"), Candidate(name="mlp", algorithm="mlp"))
    job = TrainingJob(name="ensemble", queue="cpu", candidates=("blend", "student"))
    store.put(KEYS.plan, Plan(metric="accuracy", candidates=planned, jobs=(), ensemble=job).to_bytes())
    store.put(KEYS.spec, JobSpec(compression=Compression(max_slowdown=100)).to_bytes())
    store.put(KEYS.dataset, network.dataset.to_bytes())
    network.validation.write_parquet(tmp_path / "validation.parquet")
    store.upload(tmp_path / "validation.parquet", KEYS.split("validation"))
    store.upload(tmp_path / "validation.parquet", KEYS.split("train"))
    network.stored(store, KEYS)
    return store


def run(artifacts: FakeObjectStore) -> tuple[int, JobOutcome]:
    job = Job(artifacts=artifacts, runs=RunLog(FakeTable()), queue="cpu", attempt=1)
    code = run_job(compress, ["--run", RUN, "--job", "compress"], connect=lambda run: job)
    return code, JobOutcome.from_bytes(artifacts.get(KEYS.outcome("compress")))


def test_the_job_writes_variants_of_the_trained_candidates(artifacts: FakeObjectStore) -> None:
    code, outcome = run(artifacts)
    assert (code, outcome.status, outcome.error, outcome.candidates) == (0, "SUCCEEDED", None, ())
    made = VariantSet.from_bytes(artifacts.get(KEYS.variants))
    assert [(variant.candidate, variant.precision, variant.status) for variant in made.variants] == [
        ("mlp", "fp32", "ok"),
        ("mlp", "int8", "ok"),
    ]
    assert made.cpu


def test_a_wrong_weight_in_the_only_export_fails_the_job_with_a_mismatch(
    artifacts: FakeObjectStore, network: Trained
) -> None:
    network.stored(artifacts, KEYS, model=with_one_wrong_weight(network.model))
    code, outcome = run(artifacts)
    assert (code, outcome.status, outcome.retryable) == (1, "FAILED", False)
    assert outcome.error is not None
    assert outcome.error.type == "ExportMismatchError"
    assert KEYS.variants not in set(artifacts.keys(""))


def test_a_repeated_job_writes_the_same_files(artifacts: FakeObjectStore) -> None:
    assert run(artifacts)[0] == 0
    first = VariantSet.from_bytes(artifacts.get(KEYS.variants))
    assert run(artifacts)[0] == 0
    second = VariantSet.from_bytes(artifacts.get(KEYS.variants))
    assert [variant.artifact for variant in first.variants] == [variant.artifact for variant in second.variants]


def test_a_blend_that_does_not_improve_is_reported_as_not_applicable(
    network: Trained, artifacts: Counting, tmp_path: Path
) -> None:
    network.validation.write_parquet(tmp_path / "train.parquet")
    artifacts.upload(tmp_path / "train.parquet", KEYS.split("train"))
    network.stored(artifacts, KEYS, "linear", algorithm="linear", no_int8="trees")
    job = Job(artifacts=artifacts, runs=RunLog(FakeTable()), queue="cpu", attempt=1)
    assert run_job(ensemble, ["--run", RUN, "--job", "ensemble"], connect=lambda run: job) == 0
    assert run(artifacts)[0] == 0
    variants = VariantSet.from_bytes(artifacts.get(KEYS.variants)).variants
    (blend,) = (variant for variant in variants if variant.candidate == "blend")
    assert blend.status == "not_applicable"
    assert "no other candidate improves" in blend.reason


def test_a_lost_ensemble_is_reported_and_other_variants_succeed(network: Trained, artifacts: FakeObjectStore) -> None:
    network.stored(artifacts, KEYS, "linear", algorithm="linear", no_int8="trees")
    assert run(artifacts)[0] == 0
    variants = VariantSet.from_bytes(artifacts.get(KEYS.variants)).variants
    assert {variant.candidate for variant in variants if variant.status == "ok"} == {"linear", "mlp"}
    (blend,) = (variant for variant in variants if variant.candidate == "blend")
    assert "its job was lost" in blend.reason


def test_no_ensemble_is_reported_when_none_is_planned(network: Trained, artifacts: FakeObjectStore) -> None:
    plan = Plan.from_bytes(artifacts.get(KEYS.plan))
    artifacts.put(KEYS.plan, plan.model_copy(update={"ensemble": None}).to_bytes())
    network.stored(artifacts, KEYS, "linear", algorithm="linear", no_int8="trees")
    assert run(artifacts)[0] == 0
    variants = VariantSet.from_bytes(artifacts.get(KEYS.variants)).variants
    assert not [variant for variant in variants if variant.candidate == "blend"]
