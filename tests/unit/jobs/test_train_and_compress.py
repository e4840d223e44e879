"""The single job of a small plan."""

from __future__ import annotations

import pytest

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.ensemble import Ensemble
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.records.run import StageStatus
from pipeline.contracts.records.variant import VariantSet
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.jobs.train_and_compress import train_and_compress
from tests.fakes.planned import RUN, House

KEYS = RunKeys(RUN)
LINEAR = Candidate(name="linear", algorithm="linear")
TREES = Candidate(name="trees", algorithm="gradient_boosting", settings={"n_estimators": 5})
WRONG = Candidate(name="wrong", algorithm="linear", settings={"depth": 3})
SPEC = JobSpec(compression=Compression(max_slowdown=100))


@pytest.fixture
def house() -> House:
    return House()


def _stage(house: House, name: str) -> StageStatus:
    return next(stage.status for stage in house.runs.get(RUN).stages if stage.name == name)


def test_the_job_writes_the_results_of_training_and_compression(house: House) -> None:
    house.plan(LINEAR, TREES, spec=SPEC)
    for stage in ("validate", "plan"):
        house.runs.finish_stage(RUN, stage)
    assert house.run(train_and_compress) == 0
    assert [one.candidate for one in house.outcome().candidates] == ["linear", "trees"]
    variants = VariantSet.from_bytes(house.artifacts.get(KEYS.variants)).variants
    assert {one.candidate for one in variants if one.status == "ok"} >= {"linear", "trees"}
    stages = [_stage(house, name) for name in ("train", "ensemble", "compress")]
    assert stages == ["SUCCEEDED", "SUCCEEDED", "RUNNING"]
    made = Ensemble.from_bytes(house.artifacts.get(KEYS.ensemble))
    names = {*made.candidates, *(one.name for one in made.not_made)}
    assert "blend" in names <= {one.candidate for one in variants}


def test_the_outcome_lists_the_error_of_each_candidate_when_none_is_trained(house: House) -> None:
    house.plan(WRONG, spec=SPEC)
    assert house.run(train_and_compress) == 1
    error = house.outcome().error
    assert error is not None
    assert error.type == "NoCandidateSurvivedError"
    assert "wrong: linear has no setting 'depth'" in error.message
    assert KEYS.variants not in set(house.artifacts.keys(""))
    assert _stage(house, "train") != "SUCCEEDED"


def test_another_attempt_keeps_the_trained_candidates(house: House) -> None:
    house.plan(LINEAR, spec=SPEC)
    house.run(train_and_compress)
    before = house.artifacts.get(KEYS.candidate("linear", "trained.json"))
    assert house.run(train_and_compress) == 0
    assert house.artifacts.get(KEYS.candidate("linear", "trained.json")) == before
