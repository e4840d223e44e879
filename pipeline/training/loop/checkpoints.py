"""How far a training is, kept so that another process goes on as if nothing had been."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline.training.loop.state import Progress, Training
from pipeline.training.resampling.fold_checkpoints import FoldCheckpoints

__all__ = ["keep", "keep_end", "resumed"]

_SHA256 = 32
_FORMAT = 2
_State = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Restart:
    """What the main process tells the others of a checkpoint. ``progress`` None: there is none to go on from.

    ``averaged``: it has an average of weights, of ``average_of``. ``random``: the generators of each process.
    """

    note: str = ""
    progress: Mapping[str, Any] | None = None
    averaged: bool = False
    average_of: int = 0
    random: tuple[Mapping[str, Tensor], ...] = ()


def keep(training: Training, at: Progress) -> None:
    """Save a checkpoint. All processes must ask for it; the main one, which alone has the whole state, saves it."""
    state = _state(training, at)
    if training.together.is_main:
        training.problem.checkpoints.save(_signed(state))


def keep_end(training: Training, at: Progress) -> None:
    """Save the end of a fold's training, where that is due: a later attempt then does not train the fold again."""
    checkpoints = training.problem.checkpoints
    if isinstance(checkpoints, FoldCheckpoints) and checkpoints.is_due:
        checkpoints.finish(_signed(_state(training, at)))


def _signed(state: _State) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    written = buffer.getvalue()
    return hashlib.sha256(written).digest() + written


def resumed(training: Training, at: Progress) -> Progress:
    """How far an earlier attempt was, and everything in ``training`` as it was then; else ``at``, as it begins.

    A checkpoint that is damaged, or of another training, is not used, which is noted.
    """
    together = training.together
    state, note = _read(training) if together.is_main else (None, "")
    restart = together.from_main(_restart(state, note) if together.is_main else _Restart())
    if restart.progress is None:
        if restart.note:
            at.note(restart.note)
        return at
    at = _restore(restart, state or {}, training)
    checkpoints = training.problem.checkpoints
    if not (isinstance(checkpoints, FoldCheckpoints) and checkpoints.is_finished):
        at.note(f"interrupted; resumed from a checkpoint in epoch {at.epoch}", instead_of="interrupted")
    return at


def _state(training: Training, at: Progress) -> dict[str, Any]:
    """Everything that a training goes on from; where several processes train, the main one's has all weights."""
    together = training.together
    with training.averaged.applied():
        averaged = together.weights(training.model) if training.averaged.answers else None
    progress = {name: getattr(at, name) for name in Progress.__dataclass_fields__}
    return {
        "belongs_to": _fingerprint(training),
        "progress": {**progress, "loss": together.mean(at.loss).cpu()},
        "weights": together.weights(training.model),
        "averaged": averaged,
        "average_of": training.averaged.count,
        "compressed_at": training.compressed.position,
        "optimizers": [together.whole(state) for state in training.descent.state()],
        "random": together.gather(_random(training)),
    }


def _read(training: Training) -> tuple[_State | None, str]:
    """The state of an earlier attempt, if there is one that can be used; else why it cannot."""
    saved = training.problem.checkpoints.load()
    if not saved:
        return None, ""
    digest, written = saved[:_SHA256], saved[_SHA256:]
    if hashlib.sha256(written).digest() != digest:
        return None, "the checkpoint of an earlier attempt was damaged; training restarted"
    state: _State = torch.load(io.BytesIO(written), map_location="cpu", weights_only=True)
    if state["belongs_to"] != _fingerprint(training):
        return None, "the checkpoint of an earlier attempt belongs to another training; this one restarted"
    return state, ""


def _restart(state: _State | None, note: str) -> _Restart:
    if state is None:
        return _Restart(note=note)
    return _Restart(
        progress={**state["progress"], "best": {}},
        averaged=state["averaged"] is not None,
        average_of=state["average_of"],
        random=tuple(state["random"]),
    )


def _restore(restart: _Restart, state: _State, training: Training) -> Progress:
    """``state``: the whole state in the main process; empty in the others."""
    together, model = training.together, training.model
    if restart.averaged:
        together.load(model, state.get("averaged") or {})
        training.averaged.restart(restart.average_of)
    together.load(model, state.get("weights") or {})
    training.descent.load(state.get("optimizers"), together)
    training.compressed.restart(state.get("compressed_at", 0.0))
    assert restart.progress is not None, "there is a state to go on from"
    at = Progress(**restart.progress)
    at.best = state["progress"]["best"] if together.is_main else {}
    at.loss = at.loss.to(training.device)
    _restore_random(restart.random, training, at)
    return at


def _restore_random(random: Sequence[Mapping[str, Tensor]], training: Training, at: Progress) -> None:
    """A process that the earlier attempt did not have draws numbers of its own."""
    rank = training.problem.process.rank
    if rank >= len(random):
        training.together.seed_apart(training.problem.seed, at.all_steps)
        return
    torch.set_rng_state(random[rank]["cpu"])
    if "cuda" in random[rank] and training.device.startswith("cuda"):
        torch.cuda.set_rng_state(random[rank]["cuda"], training.device)
    if training.private:
        training.private.generator.set_state(random[rank]["noise"])


def _random(training: Training) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if training.device.startswith("cuda"):
        states["cuda"] = torch.cuda.get_rng_state(training.device)
    if training.private:
        states["noise"] = training.private.generator.get_state()
    return states


def _fingerprint(training: Training) -> str:
    """Another spec, other rows or another network have another."""
    problem = training.problem
    # Of a share of the weights, or of all: it is the same network on however many processes.
    shapes = [list(tensor.shape) for tensor in training.model.state_dict().values()]
    rows = [len(problem.train), len(problem.validation)]
    known = [_FORMAT, dict(training.settings), problem.seed, rows, shapes, torch.__version__]
    return hashlib.sha256(json.dumps(known, default=str, sort_keys=True).encode()).hexdigest()
