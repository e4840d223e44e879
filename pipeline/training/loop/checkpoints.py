"""How far a training is, kept so that another process goes on as if nothing had been."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.training.loop.state import Progress, Training

__all__ = ["keep", "resumed"]

_SHA256 = 32
_FORMAT = 1


def keep(training: Training, at: Progress) -> None:
    """Save a checkpoint. All processes must ask for it; the main one's is kept."""
    written = _written(training, at)
    if training.together.is_main:
        training.problem.checkpoints.save(hashlib.sha256(written).digest() + written)


def resumed(training: Training, at: Progress) -> Progress:
    """How far an earlier attempt was, and everything in ``training`` as it was then; else ``at``, as it begins.

    A checkpoint that is damaged, or of another training, is not used, which is noted.
    """
    together = training.together
    given = together.from_main(training.problem.checkpoints.load() if together.is_main else None)
    if not given:
        return at
    digest, written = given[:_SHA256], given[_SHA256:]
    if hashlib.sha256(written).digest() != digest:
        at.note("the checkpoint of an earlier attempt was damaged; training restarted")
        return at
    state: Mapping[str, Any] = torch.load(io.BytesIO(written), map_location="cpu", weights_only=True)
    if state["belongs_to"] != _fingerprint(training):
        at.note("the checkpoint of an earlier attempt belongs to another training; this one restarted")
        return at
    at = _deserialize(state, training)
    at.note(f"interrupted; resumed from a checkpoint in epoch {at.epoch}", instead_of="interrupted")
    return at


def _written(training: Training, at: Progress) -> bytes:
    together = training.together
    with training.averaged.applied():
        averaged = together.weights(training.model) if training.averaged.answers else None
    progress = {name: getattr(at, name) for name in Progress.__dataclass_fields__}
    state = {
        "belongs_to": _fingerprint(training),
        "progress": {**progress, "loss": together.mean(at.loss).cpu()},
        "weights": together.weights(training.model),
        "averaged": averaged,
        "average_of": training.averaged.count,
        "optimizers": [together.whole(state) for state in training.descent.state()],
        "random": _random(training),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _deserialize(state: Mapping[str, Any], training: Training) -> Progress:
    together, model = training.together, training.model
    if state["averaged"] is not None:
        together.load(model, state["averaged"])
        training.averaged.restart(state["average_of"])
    together.load(model, state["weights"])
    training.descent.load(state["optimizers"], together)
    torch.set_rng_state(state["random"]["cpu"])
    if "cuda" in state["random"] and training.device.startswith("cuda"):
        torch.cuda.set_rng_state(state["random"]["cuda"], training.device)
    if training.private:
        training.private.generator.set_state(state["random"]["noise"])
    at = Progress(**state["progress"])
    at.loss = at.loss.to(training.device)
    return at


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
