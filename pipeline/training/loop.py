"""The training loop of the torch recipes, whole."""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.network import Network
from pipeline.training.recipe import Problem, Rows, Settings

__all__ = ["train_network"]

_BLOCK = 16_384  # rows that are answered at once


def train_network(settings: Settings, problem: Problem) -> tuple[Network, tuple[dict[str, float], ...]]:
    """The network, on the CPU, as it was at its best validation loss; and a record of each epoch.

    Raise CandidateFailedError when the loss is no number any more.
    """
    torch.manual_seed(problem.seed)
    torch.set_num_threads(problem.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)

    network = Network(
        problem.train.num, problem.cardinalities,
        outputs=problem.classes or 1, hidden=settings["hidden"], dropout=settings["dropout"],
    ).to(problem.device)  # fmt: skip
    num, cat, target = _tensors(problem.train, problem.device)
    held_out = _tensors(problem.validation, problem.device)
    loss_of = nn.functional.cross_entropy if problem.classes else _squared_error
    rate, epochs = settings["learning_rate"], settings["epochs"]
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=settings["weight_decay"], fused=True)

    history: list[dict[str, float]] = []
    best_loss, best_epoch, best_weights = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        network.train()
        total = torch.zeros((), device=problem.device)
        for batch in torch.split(torch.randperm(len(target)).to(problem.device), settings["batch_size"]):
            loss = loss_of(network(num[batch], cat[batch]), target[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            optimizer.step()
            total += loss.detach() * len(batch)
        train_loss = total.item() / len(target)

        network.eval()
        with torch.no_grad():
            blocks = zip(*(torch.split(tensor, _BLOCK) for tensor in held_out), strict=True)
            losses = [loss_of(network(n, c), t) * len(t) for n, c, t in blocks]
        validation_loss = torch.stack(losses).sum().item() / len(held_out[2])

        if not math.isfinite(train_loss + validation_loss):
            raise CandidateFailedError(
                f"the loss was no number any more in epoch {epoch}, at a learning rate of {rate:g}: try a lower one"
            )
        history.append({
            "epoch": epoch,
            "loss": train_loss,
            "validation_loss": validation_loss,
            "learning_rate": rate,
            "seconds": time.perf_counter() - started,
        })  # fmt: skip
        problem.report(f"epoch {epoch} of {epochs}, validation loss {validation_loss:.4f}")
        if validation_loss < best_loss:
            best_loss, best_epoch, best_weights = validation_loss, epoch, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= settings["early_stopping"]:
            break

    network.load_state_dict(best_weights)
    return network.cpu().eval(), tuple(history)


def _tensors(rows: Rows, device: str) -> tuple[Tensor, Tensor, Tensor]:
    target = torch.from_numpy(rows.target)
    kind = torch.float32 if target.is_floating_point() else torch.int64
    return torch.from_numpy(rows.num).to(device), torch.from_numpy(rows.cat).to(device), target.to(device, kind)


def _squared_error(answers: Tensor, target: Tensor) -> Tensor:
    return nn.functional.mse_loss(answers.squeeze(1), target)
