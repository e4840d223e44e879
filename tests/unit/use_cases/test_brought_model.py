"""A run of an uploaded .onnx file, through its functions and its job, on fakes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from onnx import helper

from pipeline.bootstrap import Job
from pipeline.contracts.errors import InvalidModelError
from pipeline.contracts.object_keys import RunKeys, parse_upload_key
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import Upload
from pipeline.intake.run_log import RunLog
from pipeline.jobs.compress import compress
from pipeline.jobs.runtime.job import JobWork, run_job
from pipeline.jobs.train import train
from pipeline.jobs.train_and_compress import train_and_compress
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.evaluate_winner import EvaluateWinner
from pipeline.use_cases.plan_run import PlanRun
from pipeline.use_cases.register_version import RegisterVersion
from pipeline.use_cases.select_winner import SelectWinner
from pipeline.use_cases.validate_upload import ValidateUpload
from tests.fakes.objects import FakeObjectStore
from tests.fakes.onnx_graphs import constant, graph, layer, matrix
from tests.fakes.records import NOW
from tests.fakes.table import FakeTable

RUN = "demo_net_0123456789ab"
KEYS = RunKeys(RUN)
KEY = "demo/net/net.onnx"
RANDOM = np.random.default_rng(1)


def _network() -> bytes:
    nodes = [layer("x", "hidden"), helper.make_node("Relu", ["hidden"], ["positive"])]
    nodes += [helper.make_node("MatMul", ["positive", "v"], ["logits"]), helper.make_node("Softmax", ["logits"], ["y"])]
    constants = [constant("w", RANDOM.standard_normal((8, 64))), constant("v", RANDOM.standard_normal((64, 3)))]
    return bytes(graph(nodes, [matrix("x", 8)], [matrix("y", 3)], constants).SerializeToString())


def _rows(count: int = 60) -> bytes:
    rows = RANDOM.standard_normal((count, 8)).round(3)
    return "\n".join(["a,b,c,d,e,f,g,h", *(",".join(map(str, row)) for row in rows.tolist())]).encode()


@dataclass
class World:
    """The stores of one stack."""

    table: FakeTable = field(default_factory=FakeTable)
    uploads: FakeObjectStore = field(default_factory=lambda: FakeObjectStore("uploads"))
    artifacts: FakeObjectStore = field(default_factory=lambda: FakeObjectStore("artifacts"))

    def __post_init__(self) -> None:
        self.runs = RunLog(self.table)
        self.registry = ModelRegistry(self.table, self.artifacts)
        self.runs.create(RUN, tenant="demo", model="net", file="net.onnx", started_at=NOW)

    def start(self, model: bytes, rows: bytes | None = None, settings: bytes | None = None) -> Plan:
        """Do what intake, validation and planning do."""
        for name, content in (("calibration.csv", rows), ("train.yaml", settings)):
            if content is not None:
                self.uploads.put(f"demo/net/{name}", content)
        self.uploads.put(KEY, model)
        head = self.uploads.head(KEY)
        upload = Upload(
            bucket="uploads", key=KEY, version_id=head.version_id, bytes=head.bytes, etag=head.etag, metadata={},
            modified_at=NOW, started_at=NOW,
        )  # fmt: skip
        self.artifacts.put(KEYS.upload, upload.to_bytes())
        ValidateUpload(artifacts=self.artifacts, runs=self.runs, uploads=self.uploads)(RUN)
        return PlanRun(artifacts=self.artifacts, runs=self.runs, registry=self.registry)(RUN)

    def job(self, work: JobWork, name: str) -> JobOutcome:
        connected = Job(artifacts=self.artifacts, runs=self.runs, queue="cpu", attempt=1)
        run_job(work, ["--run", RUN, "--job", name], connect=lambda run: connected)
        return JobOutcome.from_bytes(self.artifacts.get(KEYS.outcome(name)))

    def finish(self) -> tuple[ModelCard, GoldenPredictions, int]:
        """Do what the functions after the jobs do."""
        SelectWinner(artifacts=self.artifacts, runs=self.runs)(RUN)
        EvaluateWinner(artifacts=self.artifacts, runs=self.runs, registry=self.registry, now=lambda: NOW)(RUN)
        register = RegisterVersion(
            artifacts=self.artifacts, runs=self.runs, registry=self.registry, code_version="1", now=lambda: NOW
        )
        version = register(RUN)
        card = ModelCard.from_bytes(self.artifacts.get(KEYS.card))
        return card, GoldenPredictions.from_bytes(self.artifacts.get(KEYS.golden)), version


@pytest.fixture
def world() -> World:
    return World()


def test_an_onnx_file_starts_a_run_and_calibration_rows_do_not() -> None:
    assert parse_upload_key(KEY).starts_run
    assert parse_upload_key(KEY).is_model
    assert not parse_upload_key("demo/net/calibration.csv").starts_run


def test_the_plan_of_a_brought_model_is_one_job(world: World) -> None:
    plan = world.start(_network())
    assert (plan.one_job, plan.ensemble, [job.candidates for job in plan.jobs]) == (True, None, [("brought",)])


def test_a_model_is_measured_quantized_and_registered(world: World) -> None:
    world.start(_network(), _rows(), b"limits: {prefer: size}\n")
    outcome = world.job(train_and_compress, "check")
    assert outcome.status == "SUCCEEDED"
    assert [candidate.status for candidate in outcome.candidates] == ["trained"]
    card, golden, version = world.finish()
    ok = {variant.name for variant in card.leaderboard if variant.status == "ok"}
    assert {"brought/fp32", "brought/int8"} <= ok
    assert (card.algorithm, card.metric) == ("brought", "accuracy")
    assert card.test_quality["accuracy"] >= 0.9  # agreement with the uploaded file
    assert any("was trained elsewhere" in warning for warning in card.warnings)
    assert not any("leak" in warning or "also in" in warning for warning in card.warnings)
    assert list(golden.rows[0]) == list("abcdefgh")
    registered = world.registry.versions.record("demo", "net", version)
    assert registered.signature.classes == ("0", "1", "2")


def test_a_model_without_calibration_rows_is_served_unchanged(world: World) -> None:
    world.start(_network())
    world.job(train_and_compress, "check")
    card, _, _ = world.finish()
    assert [variant.name for variant in card.leaderboard] == ["brought/fp32"]
    assert card.test_quality["accuracy"] == 1.0


def test_a_model_is_processed_by_two_jobs_on_the_cpu_queue(world: World) -> None:
    """Without a Fargate machine the run continues there as two jobs; a later attempt keeps the results."""
    world.start(_network(), _rows())
    assert world.job(train, "check").status == "SUCCEEDED"
    assert world.job(train, "check").status == "SUCCEEDED"
    assert world.job(compress, "compress").status == "SUCCEEDED"
    assert world.finish()[2] == 1


def test_a_refused_model_is_quarantined_with_the_message(world: World) -> None:
    bad = graph([helper.make_node("Foo", ["x"], ["y"], name="odd")], [matrix("x", 4)], [matrix("y", 4)])
    content = bad.SerializeToString()
    world.start(content)
    outcome = world.job(train_and_compress, "check")
    assert outcome.error is not None
    assert outcome.error.type == "InvalidModelError"
    assert "node 'odd' (Foo)" in outcome.error.message
    assert KEYS.variants not in set(world.artifacts.keys(""))
    assert world.artifacts.get(KEYS.quarantine("net.onnx")) == content
    report = json.loads(world.artifacts.get(KEYS.quarantine("report.json")))
    assert report["error"]["message"] == outcome.error.message


def test_an_empty_file_is_refused_before_a_job_starts(world: World) -> None:
    with pytest.raises(InvalidModelError, match=r"net\.onnx.*0 bytes"):
        world.start(b"")
