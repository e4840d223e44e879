"""The winner is retrained with the validation rows added; its scores are from before that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from pipeline.bootstrap import Job
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import SplitRows
from pipeline.contracts.records.outcome import TRAINED, TrainedCandidate
from pipeline.contracts.records.plan import Candidate, Plan
from pipeline.contracts.records.variant import Variant, VariantSet
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.intake.run_log import RunLog
from pipeline.jobs.compress import compress
from pipeline.jobs.runtime.job import run_job
from pipeline.selection.select import select
from pipeline.training.trainer import Trainer
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.fakes.tabular import table
from tests.fakes.training import CPU

QUICK: dict[str, dict[str, Any]] = {"mlp": {"epochs": 2, "hidden": (8,)}, "random_forest": {"n_estimators": 20}}
RUN = "demo_wine_0123456789ab"
KEYS = RunKeys.of(RUN)


class Stage:
    """A run whose candidates were trained; ``compress`` gives the variants after the compress job."""

    def __init__(
        self, folder: Path, *algorithms: str, rows: int = 200, told_rows: SplitRows | None = None, **spec: object
    ):
        folder.mkdir(exist_ok=True)
        self.store, self.table = FakeObjectStore(), table("regression", rows=rows)
        self.dataset = self.table.dataset.model_copy(update={"rows": told_rows} if told_rows else {})
        candidates = tuple(
            Candidate(name=name, algorithm=name, settings=dict(QUICK.get(name, {}))) for name in algorithms
        )
        self.store.put(KEYS.plan, Plan(metric="rmse", candidates=candidates, jobs=()).to_bytes())
        asked = {"compression": Compression(precisions=("fp32",)), **spec}
        self.store.put(KEYS.spec, JobSpec.model_validate(asked).to_bytes())
        self.store.put(KEYS.dataset, self.dataset.to_bytes())
        for name, split in self.table.splits.items():
            split.write_parquet(folder / f"{name}.parquet")
            self.store.upload(folder / f"{name}.parquet", KEYS.split(name))
        trainer = Trainer(dataset=self.table.dataset, splits=self.table.splits, machine=CPU, seed=0, metric="rmse")
        for candidate in candidates:
            (own := folder / candidate.name).mkdir()
            trainer.train(candidate, own, lambda text: None)
            for file in sorted(own.iterdir(), key=lambda file: file.name == TRAINED):
                self.store.upload(file, KEYS.candidate(candidate.name, file.name))

    def compress(self) -> dict[str, Variant]:
        job = Job(artifacts=self.store, runs=RunLog(FakeTable()), queue="cpu", attempt=1)
        assert run_job(compress, ["--run", RUN, "--job", "compress"], connect=lambda run: job) == 0
        return {one.candidate: one for one in self.variants().variants}

    def variants(self) -> VariantSet:
        return VariantSet.from_bytes(self.store.get(KEYS.variants))

    def graph(self, variant: Variant) -> onnx.ModelProto:
        assert variant.artifact is not None
        return onnx.load_from_string(self.store.get(variant.artifact.key))


def _matrices(graph: onnx.ModelProto) -> int:
    return sum(node.op_type == "Gemm" or "MatMul" in node.op_type for node in graph.graph.node)


def _winner(folder: Path, algorithm: str, **changed: Any) -> Variant:
    """The one candidate's file after the compress job."""
    (variant,) = Stage(folder, algorithm, **changed).compress().values()
    return variant


def test_its_file_is_another_and_its_quality_the_one_of_rows_it_had_not_seen(tmp_path: Path) -> None:
    once = _winner(_new(tmp_path / "once"), "linear", refit=False)
    again = _winner(_new(tmp_path / "again"), "linear")
    assert once.artifact is not None
    assert again.artifact is not None
    assert again.artifact.sha256 != once.artifact.sha256
    assert (again.quality, again.interval) == (once.quality, once.interval)
    assert again.reason.startswith("retrained with the validation rows added")


def test_of_few_rows_a_network_becomes_the_mean_of_five_that_stop_by_a_fifth_each(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "mlp")
    variant = stage.compress()["mlp"]
    assert variant.reason.startswith("retrained")
    once = onnx.load_from_string(stage.store.get(KEYS.candidate("mlp", "model.onnx")))
    assert _matrices(stage.graph(variant)) == 5 * _matrices(once) > 0


def test_its_int8_file_is_of_the_further_training_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(QUICK, "mlp", {"epochs": 2, "hidden": (128, 64)})
    spec = JobSpec(
        compression=Compression(precisions=("fp32", "int8"), max_quality_drop=1, min_agreement=0, max_slowdown=100)
    )
    stage = Stage(tmp_path, "mlp", compression=spec.compression)
    stage.compress()
    found = {one.precision: one for one in stage.variants().variants}
    assert not [one.reason for one in found.values() if not one.reason.startswith("retrained")]
    matrices = {precision: _matrices(stage.graph(one)) for precision, one in found.items()}
    assert matrices["fp32"] == matrices["int8"] > 0
    assert select(stage.variants(), metric="rmse", spec=spec).winner.precision == "int8"


def test_of_many_rows_a_network_that_stops_by_the_validation_rows_stays_as_it_is(tmp_path: Path) -> None:
    assert _winner(tmp_path, "mlp", told_rows=SplitRows(train=9_000, validation=500, test=500)).reason == ""


def test_a_network_that_answers_with_intervals_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(QUICK, "mlp", {**QUICK["mlp"], "quantiles": [0.1, 0.9]})
    assert _winner(tmp_path, "mlp").reason == ""


def test_of_a_blend_each_member_is_trained_once_more_and_its_weight_stays(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "linear", "random_forest", "mlp")
    variants = stage.compress()
    blend = variants["blend"]
    assert blend.status == "ok"
    assert blend.reason.startswith("retrained")
    once, again = (
        TrainedCandidate.from_bytes(stage.store.get(KEYS.candidate(name, TRAINED))) for name in ("blend", "blend.again")
    )
    assert again.settings == once.settings
    assert len(once.settings) > 1
    assert blend.quality["rmse"] == pytest.approx(once.cross_quality["rmse"])
    members = [name for name in once.settings if stage.store.head(KEYS.candidate(f"{name}.again", TRAINED))]
    assert members == list(once.settings)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
