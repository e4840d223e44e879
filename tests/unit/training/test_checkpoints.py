"""An interrupted training gives the same result as an uninterrupted training."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from torch import nn

from pipeline.contracts.algorithms.network_config import OptimizerName, ScheduleName
from pipeline.training.algorithm import RunContext
from tests.fakes.networks import Fragile, Kept, flat, learn, task, weights


class InterruptionError(Exception):
    pass


def _interrupt(checkpoints: Kept, *, at_save: int, **settings: Any) -> None:
    """Interrupt a training when it saves the checkpoint after the first ``at_save`` ones."""

    def stop(count: int) -> None:
        if count == at_save + 1:
            raise InterruptionError

    checkpoints.saving = stop
    with pytest.raises(InterruptionError):
        learn(task(), context=RunContext(checkpoints=checkpoints), **settings)
    checkpoints.saving = None


CASES = [
    *({"optimizer": name} for name in get_args(OptimizerName)),
    *({"schedule": name, "step_epochs": 1} for name in get_args(ScheduleName)),
    *({"averaging": name, "epochs": 5} for name in ("ema", "swa")),
    {"batching": "random", "batch_size": (4, 20)},
    {"batching": "growing", "batch_size": (4, 20)},
    {"precision": "bf16"},
    {"sparsity": 0.6, "epochs": 5},
    {"sparsity": 0.6, "shared_bits": 3, "epochs": 5},
    {"loss": "focal", "l1": 0.001, "l2": 0.01, "max_gradient_norm": 0.5, "label_smoothing": 0.1},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
@pytest.mark.parametrize("inside", [False, True], ids=["between epochs", "inside an epoch"])
def test_an_interrupted_training_ends_with_the_same_weights(settings: dict[str, Any], inside: bool) -> None:
    settings = {"epochs": 4, "learning_rate": 0.02, **settings}
    uninterrupted = learn(task(), **settings)
    checkpoints = Kept(seconds=1e-9 if inside else 0)
    _interrupt(
        checkpoints, at_save=5 if inside and settings.get("optimizer") not in ("gd", "normalized_gd") else 2, **settings
    )
    resumed = learn(task(), context=RunContext(checkpoints=checkpoints), **settings)
    assert weights(resumed.network) == weights(uninterrupted.network)
    compared = ("loss", "validation_loss", "learning_rate")
    assert [[point[k] for k in compared] for point in resumed.history] == [
        [point[k] for k in compared] for point in uninterrupted.history
    ]
    assert resumed.notes[0].startswith("interrupted; resumed from a checkpoint in epoch")


def test_batch_norm_statistics_resume_from_the_checkpoint() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))

    checkpoints = Kept(seconds=1e-9)
    _interrupt(checkpoints, at_save=4, build=build)
    assert weights(learn(task(), build, context=RunContext(checkpoints=checkpoints)).network) == weights(
        learn(task(), build).network
    )


def test_a_training_after_a_crash_reports_all_epochs_and_gives_the_same_weights() -> None:
    epochs: list[float] = []

    def crash(point: Any) -> None:
        if point["epoch"] == 3:
            raise InterruptionError

    checkpoints = Kept()
    with pytest.raises(InterruptionError):
        learn(task(), context=RunContext(checkpoints=checkpoints, watch=crash))
    learned = learn(
        task(), context=RunContext(checkpoints=checkpoints, watch=lambda point: epochs.append(point["epoch"]))
    )
    assert epochs == [1, 2, 3, 4]
    assert weights(learned.network) == weights(learn(task()).network)


def test_a_training_that_stopped_early_does_not_continue() -> None:
    settings: dict[str, Any] = {"epochs": 60, "early_stopping": 2, "learning_rate": 0.3}
    checkpoints = Kept()
    uninterrupted = learn(task(), context=RunContext(checkpoints=checkpoints), **settings)
    again = learn(task(), context=RunContext(checkpoints=checkpoints), **settings)
    assert len(again.history) == len(uninterrupted.history) < 60
    assert weights(again.network) == weights(uninterrupted.network)


def test_a_lowered_learning_rate_stays_lowered_after_an_interruption() -> None:
    settings: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.1, "epochs": 3}
    uninterrupted = learn(task(), Fragile, **settings)
    checkpoints = Kept()
    _interrupt(checkpoints, at_save=1, build=Fragile, **settings)
    again = learn(task(), Fragile, context=RunContext(checkpoints=checkpoints), **settings)
    assert weights(again.network) == weights(uninterrupted.network)
    assert set(uninterrupted.notes) < set(again.notes)


@pytest.mark.parametrize("harm", ["flipped", "cut", "empty"])
def test_a_damaged_checkpoint_is_ignored_and_reported(harm: str) -> None:
    checkpoints = Kept()
    uninterrupted = learn(task(), context=RunContext(checkpoints=checkpoints))
    assert checkpoints.held is not None
    held = bytearray(checkpoints.held)
    held[len(held) // 2] ^= 1
    checkpoints.held = {"flipped": bytes(held), "cut": checkpoints.held[:1000], "empty": b"x"}[harm]
    learned = learn(task(), context=RunContext(checkpoints=checkpoints))
    assert weights(learned.network) == weights(uninterrupted.network)
    assert learned.notes == ("the checkpoint of an earlier attempt was damaged; training restarted",)


def test_a_checkpoint_of_another_training_is_ignored_and_reported() -> None:
    checkpoints = Kept()
    learn(task(), context=RunContext(checkpoints=checkpoints))
    learned = learn(task(), context=RunContext(checkpoints=checkpoints), learning_rate=0.02)
    assert learned.notes == (
        "the checkpoint of an earlier attempt belongs to a different training; this one restarted",
    )
    assert weights(learned.network) == weights(learn(task(), learning_rate=0.02).network)


def test_a_checkpoint_can_be_read_with_weights_only() -> None:
    checkpoints = Kept()
    learn(task(), flat(), context=RunContext(checkpoints=checkpoints))
    assert {"weights", "optimizers", "random", "state"} < set(checkpoints.state), "Kept reads with weights_only"


KILLED = """
import os, signal, sys
from pipeline.training.algorithm import RunContext
from tests.fakes.networks import Kept, learn, task

class Lost(Kept):
    def save(self, state):
        open(sys.argv[1], "wb").write(state)
        self.count = getattr(self, "count", 0) + 1
        if self.count == 2:
            os.kill(os.getpid(), signal.SIGKILL)

learn(task(), context=RunContext(checkpoints=Lost()))
"""


def test_training_resumes_after_the_process_was_killed(tmp_path: Path) -> None:
    file, root = tmp_path / "checkpoint", Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], cwd=root, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    checkpoints = Kept()
    checkpoints.held = file.read_bytes()
    learned = learn(task(), context=RunContext(checkpoints=checkpoints))
    assert learned.notes == ("interrupted; resumed from a checkpoint in epoch 3",)
    assert weights(learned.network) == weights(learn(task()).network)
