"""The training loop of the torch recipes, whole."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.answering import merged
from pipeline.training.inputs import Reads, blocks
from pipeline.training.parallel import parallel_of
from pipeline.training.recipe import Problem, Rows, Settings

__all__ = ["Learned", "train_network"]

_Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """``network``: on the CPU, as it was at its best. ``history``, ``notes``, ``privacy``: as Fitted has them."""

    network: nn.Module
    history: tuple[dict[str, float], ...]
    notes: tuple[str, ...] = ()


def train_network(build: Callable[[], nn.Module], reads: Reads, settings: Settings, problem: Problem) -> Learned:
    """Train what ``build`` makes (after the seed is set) until the validation loss gets no better.

    ``reads`` makes of rows what the network's forward takes: on the device, all rows. It answers logits
    [batch, classes] or standardised values [batch, 1]; an ensemble [batch, members, outputs], whose members learn
    each by themselves and answer together. Augmentation is the network's own, in training mode.
    Raise CandidateFailedError when the loss is no number any more.
    """
    torch.manual_seed(problem.seed)
    torch.set_num_threads(problem.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)

    together = parallel_of(settings["parallel"], problem.process, problem.device)
    network = build().to(problem.device)
    model = together.wrap(network)
    inputs, target, weight = _tensors(reads, problem.train, problem.device)
    held_out = _tensors(reads, problem.validation, problem.device)
    loss_of = _cross_entropy if problem.classes else _squared_error
    rate, epochs = settings["learning_rate"], settings["epochs"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=settings["weight_decay"], fused=True)

    order = torch.Generator().manual_seed(problem.seed)  # its own: processes draw unequally for dropout
    history: list[dict[str, float]] = []
    best_loss, best_epoch, best_weights = math.inf, 0, together.weights(model)
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        model.train()
        total = torch.zeros((), device=problem.device)
        shuffled = torch.randperm(len(target), generator=order).to(problem.device)
        for batch in torch.split(shuffled, settings["batch_size"]):
            rows, part_of_mean = together.share(batch)
            losses = loss_of(model(*(part[rows] for part in inputs)), target[rows])
            loss = (losses if weight is None else losses * weight[rows]).mean() * part_of_mean
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            optimizer.step()
            total += loss.detach() * len(batch)
        train_loss = together.mean(total).item() / len(target)
        seconds = time.perf_counter() - started

        validation_loss = together.mean(_validation_loss(model, held_out, loss_of, problem)).item()
        if not math.isfinite(train_loss + validation_loss):
            raise CandidateFailedError(
                f"the loss was no number any more in epoch {epoch}, at a learning rate of {rate:g}: try a lower one"
            )
        history.append({
            "epoch": epoch,
            "loss": train_loss,
            "validation_loss": validation_loss,
            "learning_rate": rate,
            "rows_per_second": len(target) / seconds,
            "memory_mb": _memory_mb(problem.device),
            "seconds": time.perf_counter() - started,
        })  # fmt: skip
        problem.watch(history[-1])
        problem.report(f"epoch {epoch} of {epochs}, validation loss {validation_loss:.4f}")
        if validation_loss < best_loss:
            best_loss, best_epoch, best_weights = validation_loss, epoch, together.weights(model)
        elif epoch - best_epoch >= settings["early_stopping"]:
            break

    network.load_state_dict(best_weights)
    return Learned(network=network.cpu().eval(), history=tuple(history))


def _tensors(reads: Reads, rows: Rows, device: str) -> tuple[tuple[Tensor, ...], Tensor, Tensor | None]:
    """Inputs, target and weight."""
    target = torch.from_numpy(rows.target)
    kind = torch.float32 if target.is_floating_point() else torch.int64
    inputs = tuple(tensor.to(device) for tensor in reads(rows).values())
    weight = None if rows.weight is None else torch.from_numpy(rows.weight).to(device)
    return inputs, target.to(device, kind), weight


def _validation_loss(
    network: nn.Module, held_out: tuple[tuple[Tensor, ...], Tensor, Tensor | None], loss_of: _Loss, problem: Problem
) -> Tensor:
    """Of what the members of an ensemble answer together."""
    inputs, target, weight = held_out
    network.eval()
    with torch.no_grad():
        answers = torch.cat([_together(network(*block), classes=problem.classes) for block in blocks(*inputs)])
        losses = loss_of(answers, target)
        return (losses if weight is None else losses * weight).mean()


def _together(answers: Tensor, *, classes: int) -> Tensor:
    """The logits, or values, [batch, outputs] of an ensemble; a network's own stay as they are."""
    if answers.ndim == 2:
        return answers
    found = merged(answers, classes=classes)
    return found.clamp_min(torch.finfo(found.dtype).tiny).log() if classes else found


def _each(loss_of: _Loss) -> _Loss:
    """The mean loss [batch] of an ensemble's members, each by itself."""

    def mean_of_members(answers: Tensor, target: Tensor) -> Tensor:
        if answers.ndim == 2:
            return loss_of(answers, target)
        members = answers.shape[1]
        return loss_of(answers.flatten(0, 1), target.repeat_interleave(members)).view(-1, members).mean(dim=1)

    return mean_of_members


@_each
def _cross_entropy(answers: Tensor, target: Tensor) -> Tensor:
    return nn.functional.cross_entropy(answers, target, reduction="none")


@_each
def _squared_error(answers: Tensor, target: Tensor) -> Tensor:
    return nn.functional.mse_loss(answers.squeeze(1), target, reduction="none")


def _memory_mb(device: str) -> float:
    """The most that was in use so far: of the GPU, or of this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB on Linux
