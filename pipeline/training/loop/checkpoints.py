"""Checkpoints of a training: saved so that another process resumes it with the same result."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.training.loop.state import TrainingComponents, TrainingState
from pipeline.training.resampling.fold_checkpoints import FoldCheckpoints

__all__ = ["load_checkpoint", "save_checkpoint", "save_final_checkpoint"]

_SHA256_BYTES = 32
_FORMAT = 3
_Checkpoint = Mapping[str, Any]


def save_checkpoint(components: TrainingComponents, state: TrainingState) -> None:
    """Save a checkpoint. Collective: all processes call it; the main one, which gathers the state, writes it."""
    checkpoint = _make_checkpoint(components, state)
    if components.strategy.is_main:
        components.context.checkpoints.save(_serialize(checkpoint))


def save_final_checkpoint(components: TrainingComponents, state: TrainingState) -> None:
    """Save the final state of a fold's training, if a checkpoint is due, so that a later attempt skips the fold."""
    checkpoints = components.context.checkpoints
    if isinstance(checkpoints, FoldCheckpoints) and checkpoints.is_due:
        checkpoints.finish(_serialize(_make_checkpoint(components, state)))


def load_checkpoint(components: TrainingComponents, initial: TrainingState) -> TrainingState:
    """Load the checkpoint of an earlier attempt into the components, if there is one that fits. Collective.

    Args:
        components: The components, updated in place.
        initial: State of a training from scratch.

    Returns:
        The state of the earlier attempt; else ``initial``, with a note if the checkpoint is damaged or does not belong
        to this training.
    """
    strategy = components.strategy
    checkpoint, note = _read(components) if strategy.is_main else (None, "")
    shared, note = strategy.broadcast((_without_weights(checkpoint), note))
    if shared is None:
        if note:
            initial.add_note(note)
        return initial
    state = _restore(checkpoint or shared, components)
    checkpoints = components.context.checkpoints
    if not (isinstance(checkpoints, FoldCheckpoints) and checkpoints.is_finished):
        note = f"interrupted; resumed from a checkpoint in epoch {state.epoch}"
        state.add_note(note, replace_prefix="interrupted")
    return state


def _serialize(checkpoint: _Checkpoint) -> bytes:
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def _make_checkpoint(components: TrainingComponents, state: TrainingState) -> dict[str, Any]:
    """Return the complete state to resume from; only the main process's has the weights. Collective."""
    strategy, average = components.strategy, components.average
    with average.applied():
        averaged_weights = strategy.weights(components.model) if average.is_active else None
    fields = {name: getattr(state, name) for name in TrainingState.__dataclass_fields__}
    return {
        "belongs_to": _fingerprint(components),
        "state": {**fields, "loss": strategy.all_reduce_mean(state.loss).cpu()},
        "weights": strategy.weights(components.model),
        "averaged_weights": averaged_weights,
        "average_count": average.count,
        "compression_position": components.compression.position,
        "optimizers": [strategy.gather_full(optimizer) for optimizer in components.optimizer.state()],
        "random": strategy.gather(_random_states(components)),
    }


def _read(components: TrainingComponents) -> tuple[_Checkpoint | None, str]:
    """Return the checkpoint of an earlier attempt, if there is one that fits; else a note why it is not used."""
    saved = components.context.checkpoints.load()
    if not saved:
        return None, ""
    digest, content = saved[:_SHA256_BYTES], saved[_SHA256_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        return None, "the checkpoint of an earlier attempt was damaged; training restarted"
    checkpoint: _Checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if checkpoint["belongs_to"] != _fingerprint(components):
        return None, "the checkpoint of an earlier attempt belongs to a different training; this one restarted"
    return checkpoint, ""


def _without_weights(checkpoint: _Checkpoint | None) -> _Checkpoint | None:
    """Return the checkpoint without weights, for the broadcast: processes receive their shards when they load."""
    if checkpoint is None:
        return None
    return {
        **checkpoint,
        "state": {**checkpoint["state"], "best_weights": {}},
        "weights": {},
        "averaged_weights": None if checkpoint["averaged_weights"] is None else {},
        "optimizers": None,
    }


def _restore(checkpoint: _Checkpoint, components: TrainingComponents) -> TrainingState:
    """Restore the components and return the state.

    Args:
        checkpoint: The checkpoint; without weights, except in the main process.
        components: The components, updated in place.
    """
    strategy, model = components.strategy, components.model
    if checkpoint["averaged_weights"] is not None:
        strategy.load(model, checkpoint["averaged_weights"])
        components.average.reset(checkpoint["average_count"])
    strategy.load(model, checkpoint["weights"])
    components.optimizer.load(checkpoint["optimizers"], strategy)
    components.compression.reset(checkpoint["compression_position"])
    state = TrainingState(**checkpoint["state"])
    state.loss = state.loss.to(components.device)
    _restore_random(checkpoint["random"], components, state)
    return state


def _restore_random(
    random: Sequence[Mapping[str, Tensor]], components: TrainingComponents, state: TrainingState
) -> None:
    """Restore this process's random generators; a process that the earlier attempt did not have is seeded anew."""
    rank = components.context.process.rank
    if rank >= len(random):
        components.strategy.seed_ranks(components.task.seed, state.all_steps)
        return
    torch.set_rng_state(random[rank]["cpu"])
    if "cuda" in random[rank] and components.device.startswith("cuda"):
        torch.cuda.set_rng_state(random[rank]["cuda"], components.device)
    if components.dp_sgd:
        components.dp_sgd.generator.set_state(random[rank]["noise"])


def _random_states(components: TrainingComponents) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if components.device.startswith("cuda"):
        states["cuda"] = torch.cuda.get_rng_state(components.device)
    if components.dp_sgd:
        states["noise"] = components.dp_sgd.generator.get_state()
    return states


def _fingerprint(components: TrainingComponents) -> str:
    """Return a hash that identifies a training: format, config, seed, row counts, weight shapes, torch version."""
    task = components.task
    # A sharded tensor reports the shape of the full tensor, so that the number of processes does not matter.
    shapes = [list(tensor.shape) for tensor in components.model.state_dict().values()]
    rows = [len(task.train), len(task.validation)]
    identity = [_FORMAT, components.config.model_dump(), task.seed, rows, shapes, torch.__version__]
    return hashlib.sha256(json.dumps(identity, default=str, sort_keys=True).encode()).hexdigest()
