"""A training that is taken back ends as if it had not been."""

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


class TakenBackError(Exception):
    pass


def _taken_back(kept: Kept, *, at_save: int, **settings: Any) -> None:
    """Trained until that many checkpoints were saved, and a little further."""

    def stop(count: int) -> None:
        if count == at_save + 1:
            raise TakenBackError

    kept.saving = stop
    with pytest.raises(TakenBackError):
        learn(task(), context=RunContext(checkpoints=kept), **settings)
    kept.saving = None


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
    whole = learn(task(), **settings)
    kept = Kept(seconds=1e-9 if inside else 0)
    _taken_back(
        kept, at_save=5 if inside and settings.get("optimizer") not in ("gd", "normalized_gd") else 2, **settings
    )
    resumed = learn(task(), context=RunContext(checkpoints=kept), **settings)
    assert weights(resumed.network) == weights(whole.network)
    told = ("loss", "validation_loss", "learning_rate")
    assert [[one[k] for k in told] for one in resumed.history] == [[one[k] for k in told] for one in whole.history]
    assert resumed.notes[0].startswith("interrupted; resumed from a checkpoint in epoch")


def test_batch_norms_go_on_from_what_they_saw() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))

    kept = Kept(seconds=1e-9)
    _taken_back(kept, at_save=4, build=build)
    assert weights(learn(task(), build, context=RunContext(checkpoints=kept)).network) == weights(
        learn(task(), build).network
    )


def test_a_crash_loses_the_epoch_that_was_not_kept_and_its_earlier_ones_are_watched_again() -> None:
    seen: list[float] = []

    def crash(point: Any) -> None:
        if point["epoch"] == 3:
            raise TakenBackError

    kept = Kept()
    with pytest.raises(TakenBackError):
        learn(task(), context=RunContext(checkpoints=kept, watch=crash))
    learned = learn(task(), context=RunContext(checkpoints=kept, watch=lambda point: seen.append(point["epoch"])))
    assert seen == [1, 2, 3, 4]
    assert weights(learned.network) == weights(learn(task()).network)


def test_one_that_was_out_of_patience_learns_no_further() -> None:
    settings: dict[str, Any] = {"epochs": 60, "early_stopping": 2, "learning_rate": 0.3}
    kept = Kept()
    whole = learn(task(), context=RunContext(checkpoints=kept), **settings)
    again = learn(task(), context=RunContext(checkpoints=kept), **settings)
    assert len(again.history) == len(whole.history) < 60
    assert weights(again.network) == weights(whole.network)


def test_a_lowered_rate_stays_lowered() -> None:
    settings: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.1, "epochs": 3}
    whole = learn(task(), Fragile, **settings)
    kept = Kept()
    _taken_back(kept, at_save=1, build=Fragile, **settings)
    again = learn(task(), Fragile, context=RunContext(checkpoints=kept), **settings)
    assert weights(again.network) == weights(whole.network)
    assert set(whole.notes) < set(again.notes)


@pytest.mark.parametrize("harm", ["flipped", "cut", "empty"])
def test_a_damaged_checkpoint_is_not_used_and_it_is_reported(harm: str) -> None:
    kept = Kept()
    whole = learn(task(), context=RunContext(checkpoints=kept))
    assert kept.held is not None
    held = bytearray(kept.held)
    held[len(held) // 2] ^= 1
    kept.held = {"flipped": bytes(held), "cut": kept.held[:1000], "empty": b"x"}[harm]
    learned = learn(task(), context=RunContext(checkpoints=kept))
    assert weights(learned.network) == weights(whole.network)
    assert learned.notes == ("the checkpoint of an earlier attempt was damaged; training restarted",)


def test_a_checkpoint_of_another_training_is_not_used() -> None:
    kept = Kept()
    learn(task(), context=RunContext(checkpoints=kept))
    learned = learn(task(), context=RunContext(checkpoints=kept), learning_rate=0.02)
    assert learned.notes == (
        "the checkpoint of an earlier attempt belongs to a different training; this one restarted",
    )
    assert weights(learned.network) == weights(learn(task(), learning_rate=0.02).network)


def test_a_checkpoint_is_read_as_data_alone() -> None:
    kept = Kept()
    learn(task(), flat(), context=RunContext(checkpoints=kept))
    assert {"weights", "optimizers", "random", "state"} < set(kept.state), "Kept reads with weights_only"


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


def test_a_process_that_was_killed_is_gone_on_from(tmp_path: Path) -> None:
    file, root = tmp_path / "checkpoint", Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], cwd=root, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    kept = Kept()
    kept.held = file.read_bytes()
    learned = learn(task(), context=RunContext(checkpoints=kept))
    assert learned.notes == ("interrupted; resumed from a checkpoint in epoch 3",)
    assert weights(learned.network) == weights(learn(task()).network)
