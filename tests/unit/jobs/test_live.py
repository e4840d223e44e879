"""Curves and checkpoints of a candidate while it trains, and resuming after an interruption."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

import numpy as np
import pytest

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import Attempts, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.records.training_curves import TrainingCurves
from pipeline.contracts.spec.job_spec import JobSpec, Training
from pipeline.jobs.runtime.attempts import AttemptClock
from pipeline.jobs.runtime.live_progress import Live
from tests.fakes.objects import FakeObjectStore
from tests.fakes.planned import RUN, House
from tests.fakes.tabular import with_targets

KEYS = RunKeys(RUN)
MLP = Candidate(name="mlp", algorithm="mlp", settings={"hidden": (8,), "epochs": 6, "batch_size": 32})
EACH_EPOCH = JobSpec(training=Training(checkpoint_seconds=0))


class Preempted(FakeObjectStore):
    """Interrupts the job after this number of checkpoints."""

    def __init__(self, checkpoints: int, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.left, self.number = checkpoints, number

    def put(self, key: str, body: bytes, *, content_type: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().put(key, body, content_type=content_type, metadata=metadata)
        if key.endswith("/checkpoint.pt"):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), self.number)


def test_training_resumes_after_a_spot_interruption_and_gives_the_same_model() -> None:
    whole = House()
    whole.plan(MLP, spec=EACH_EPOCH)
    assert whole.run() == 0
    interrupted = House(artifacts=Preempted(3))
    interrupted.plan(MLP, spec=EACH_EPOCH)
    assert interrupted.run() == 1
    first = interrupted.outcome()
    assert (first.status, first.retryable, first.attempts) == ("FAILED", True, 1)
    assert interrupted.artifacts.get(KEYS.candidate("mlp", "checkpoint.pt"))
    assert interrupted.run() == 0
    second = interrupted.outcome()
    assert (second.status, second.attempts) == ("SUCCEEDED", 2)
    assert second.seconds > first.seconds, "the seconds of all attempts"
    uninterrupted, resumed = (
        TrainedCandidate.from_bytes(house.artifacts.get(KEYS.candidate("mlp", "trained.json")))
        for house in (whole, interrupted)
    )
    assert uninterrupted.model_sha256 == resumed.model_sha256
    assert [(point["fold"], point["epoch"]) for point in resumed.history] == [
        (fold, epoch) for fold in range(1, 6) for epoch in range(1, 7)
    ]
    assert resumed.notes == ("interrupted; resumed from a checkpoint in epoch 4",)
    assert interrupted.artifacts.get(KEYS.candidate("mlp", "checkpoint.pt")) == b"", "the checkpoint is cleared"
    events = [event.text for event in interrupted.runs.get(RUN).events]
    assert events[0].startswith("cpu: the machine was reclaimed in attempt 1 (mlp: fold 1 of 5, epoch 3 of 6")
    assert events[1].startswith("cpu: attempt 2 begins, ")
    assert events[2:] == ["cpu: mlp resumes from its checkpoint"]


def test_several_targets_resume_after_an_interruption_and_leave_no_checkpoints() -> None:
    data = with_targets("classification", rows=80)
    whole, interrupted = House(), House(artifacts=Preempted(9))
    for house in (whole, interrupted):
        house.plan_of((MLP,), EACH_EPOCH, data)
    assert whole.run() == 0
    assert interrupted.run() == 1
    assert interrupted.run() == 0
    uninterrupted, resumed = (
        TrainedCandidate.from_bytes(house.artifacts.get(KEYS.candidate("mlp", "trained.json")))
        for house in (whole, interrupted)
    )
    assert uninterrupted.model_sha256 == resumed.model_sha256
    for number in (0, 1):
        assert interrupted.artifacts.get(KEYS.candidate(f"mlp_target_{number}", "checkpoint.pt")) == b""
    curves = {key for key in whole.artifacts.keys(KEYS.candidate("", "").rstrip("/")) if key.endswith("curves.json")}
    assert curves == {KEYS.candidate("mlp", "curves.json")}


def test_the_curves_of_a_trained_candidate_are_stored() -> None:
    house = House()
    house.plan(MLP)
    assert house.run() == 0
    curves = TrainingCurves.from_bytes(house.artifacts.get(KEYS.candidate("mlp", "curves.json")))
    assert [point["epoch"] for point in curves.points] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "validation_loss", "accuracy", "rows_per_second"} < set(curves.points[-1])
    assert np.isfinite([list(point.values()) for point in curves.points]).all()


def test_curves_are_written_every_two_seconds_and_restart_at_the_first_epoch() -> None:
    store, now = FakeObjectStore(), [0.0]
    live = Live(store, KEYS, seconds=0, event=print, clock=lambda: now[0])

    def seen() -> list[float]:
        curves = TrainingCurves.from_bytes(store.get(KEYS.candidate("mlp", "curves.json")))
        return [point["epoch"] for point in curves.points]

    for epoch, moment in ((1, 0.0), (2, 1.0), (3, 1.9)):
        now[0] = moment
        live.watch(MLP, {"epoch": epoch, "loss": 1.0})
    assert seen() == [1]
    now[0] = 2.1
    live.watch(MLP, {"epoch": 4, "loss": 1.0})
    assert seen() == [1, 2, 3, 4]
    live.watch(MLP, {"epoch": 1, "loss": 1.0})
    live.end(MLP, trained=False)
    assert seen() == [1]


def test_the_curve_of_trees_is_that_of_the_current_fold() -> None:
    store, trees = FakeObjectStore(), Candidate(name="trees", algorithm="gradient_boosting")
    live = Live(store, KEYS, seconds=0, event=print)
    for fold, tree in ((1, 50), (1, 100), (2, 50), (2, 100), (2, 150)):
        live.watch(trees, {"fold": fold, "tree": tree, "validation_loss": 1.0})
    live.end(trees, trained=False)
    curves = TrainingCurves.from_bytes(store.get(KEYS.candidate("trees", "curves.json")))
    assert [(point["fold"], point["tree"]) for point in curves.points] == [(2, 50), (2, 100), (2, 150)]


def test_the_seconds_of_all_attempts_are_added_up() -> None:
    store, now = FakeObjectStore(), [100.0]
    first = AttemptClock(store, "key", clock=lambda: now[0])
    now[0] = 105
    first.note()
    assert Attempts.from_bytes(store.get("key")).seconds == (0,)
    now[0] = 112
    first.note()
    now[0] = 119  # and there it is lost
    second = AttemptClock(store, "key", clock=lambda: now[0])
    assert (second.attempt, second.earlier) == (2, (12,))
    now[0] = 120
    assert second.seconds == pytest.approx(13)
