"""The ensemble job makes a blend and a student of the trained candidates within its time limit."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.ensemble import Ensemble
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.plan import Candidate, Plan
from pipeline.contracts.records.training_curves import TrainingCurves
from pipeline.contracts.spec.job_spec import Compression, JobSpec, Limits
from pipeline.jobs.compress import compress
from pipeline.jobs.ensemble import ensemble
from pipeline.jobs.train import train
from tests.fakes.planned import RUN, House
from tests.fakes.tabular import Table, profiled

KEYS = RunKeys(RUN)
CANDIDATES = (
    Candidate(name="linear", algorithm="linear"),
    Candidate(name="trees", algorithm="extra_trees", settings={"n_estimators": 30}),
)
SPEC = JobSpec(compression=Compression(precisions=("fp32",)))


def _half_linear() -> Table:
    """A target that is half a line and half a step, so that a blend of both models is better than each."""
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 2)).astype(np.float32)
    score = x[:, 0] + 1.5 * np.sign(x[:, 1]) + random.normal(0, 1, 500)
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "target": np.where(score > 0, "yes", "no")})
    return profiled({"train": frame[:400], "validation": frame[400:]}, "classification")


@pytest.fixture
def house() -> House:
    made = House()
    made.plan_of(CANDIDATES, SPEC, _half_linear())
    plan = Plan.from_bytes(made.artifacts.get(KEYS.plan)).model_copy(update={"metric": "log_loss"})
    made.artifacts.put(KEYS.plan, plan.to_bytes())
    assert made.run(train) == 0
    return made


def _record(house: House) -> Ensemble:
    return Ensemble.from_bytes(house.artifacts.get(KEYS.ensemble))


def _trained(house: House, name: str) -> TrainedCandidate:
    return TrainedCandidate.from_bytes(house.artifacts.get(KEYS.candidate(name, "trained.json")))


def test_the_blend_is_measured_out_of_fold_and_the_student_writes_curves(house: House) -> None:
    assert house.run(ensemble) == 0
    assert _record(house).candidates == ("blend", "student")
    assert [entry.candidate for entry in house.outcome().candidates] == ["blend", "student"]
    blend, student = _trained(house, "blend"), _trained(house, "student")
    alone = [_trained(house, entry.name).quality["log_loss"] for entry in CANDIDATES]
    assert blend.folds == student.folds == 5
    assert blend.quality["log_loss"] < min(alone)
    assert student.quality["log_loss"] > blend.quality["log_loss"]
    low, high = blend.interval["log_loss"]
    assert low < blend.quality["log_loss"] < high
    curves = TrainingCurves.from_bytes(house.artifacts.get(KEYS.candidate("student", "curves.json")))
    assert curves.points


def test_compression_of_ensemble_candidates_trains_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.run(ensemble) == 0
    monkeypatch.setattr("pipeline.training.trainer.Trainer.train", None)
    monkeypatch.setattr("pipeline.training.trainer.Trainer.make_task", None)
    assert house.run(compress) == 0


def test_another_attempt_keeps_the_finished_candidates(house: House) -> None:
    assert house.run(ensemble) == 0
    before = house.artifacts.get(KEYS.candidate("student", "trained.json"))
    assert house.run(ensemble) == 0
    assert house.artifacts.get(KEYS.candidate("student", "trained.json")) == before


def test_only_the_blend_is_made_when_time_runs_out(house: House) -> None:
    house.artifacts.put(KEYS.spec, SPEC.model_copy(update={"limits": Limits(minutes=1e-9)}).to_bytes())
    assert house.run(ensemble) == 0
    record = _record(house)
    assert record.candidates == ("blend",)
    assert [(entry.name, "time ran out" in entry.reason) for entry in record.not_made] == [("student", True)]


def test_nothing_is_made_when_no_ensemble_is_planned(house: House) -> None:
    plan = Plan.from_bytes(house.artifacts.get(KEYS.plan))
    house.artifacts.put(KEYS.plan, plan.model_copy(update={"ensemble": None}).to_bytes())
    assert house.run(ensemble) == 0
    with pytest.raises(ObjectNotFoundError):
        _record(house)
