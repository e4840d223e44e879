"""The program of each process of tests.distributed.test_processes: training steps alone and with the other processes.

Each process writes its results into FOLDER.

python -m tests.helpers.distributed_steps FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import OptimizerName
from pipeline.contracts.compute_cluster import Process
from pipeline.training.algorithm import Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.distributed.batch_norm import synchronize_batch_norms
from pipeline.training.distributed.factory import make_strategy
from pipeline.training.distributed.strategy import Strategy
from pipeline.training.distributed.torchrun import process_group
from pipeline.training.loop.inputs import columns
from pipeline.training.loop.loop import train_network
from pipeline.training.networks.tabular_mlp import TabularMLP

ROWS, BATCH = 101, 25  # neither is even, so that two processes get unequal shards
OPTIMIZERS = get_args(OptimizerName)
State = dict[str, Any]


def data() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    num = torch.randn(ROWS, 6, generator=generator)
    num[::7, 0] = torch.nan
    cat = torch.randint(0, 4, (ROWS, 2), generator=generator)
    return num, cat, (num[:, 1] > 0).long() + (cat[:, 0] == 2)


def network() -> TabularMLP:
    torch.manual_seed(0)
    return TabularMLP(data()[0].numpy().astype(np.float32), [4, 4], outputs=3, hidden=(16, 8), dropout=0.0)


def steps(parallel: Strategy, count: int, start: State | None = None) -> tuple[list[float], State]:
    """Return the losses of ``count`` steps, and the state after them; ``start`` is a state to resume from."""
    num, cat, target = data()
    model = parallel.wrap(network())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    generator = torch.Generator().manual_seed(2 if start is None else 3)
    if start is not None:
        parallel.load(model, start["weights"])
        parallel.load_optimizer(optimizer, start["optimizer"])
    losses = []
    for _ in range(count):
        rows, weight = parallel.shard_batch(torch.randperm(ROWS, generator=generator)[:BATCH])
        loss = nn.functional.cross_entropy(model(num[rows], cat[rows]), target[rows]) * weight
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(parallel.all_reduce_mean(loss).item())
    return losses, {"weights": parallel.weights(model), "optimizer": parallel.gather_full(optimizer.state_dict())}


class Kept:
    """Checkpoints in memory, one per epoch."""

    seconds = 0.0

    def __init__(self, given: bytes | None = None) -> None:
        self.given, self.saved = given, list[bytes]()

    def load(self) -> bytes | None:
        return self.given

    def save(self, state: bytes) -> None:
        self.saved.append(state)


def history(process: Process, kept: Kept, **settings: Any) -> list[float]:
    """Return the losses of the training loop: training and validation loss of each epoch."""
    num, cat, target = (tensor.numpy() for tensor in data())
    rows = Rows(num=num, cat=cat, target=target, weight=(np.arange(ROWS) / (ROWS - 1) + 0.5).astype(np.float32))
    task = TrainingTask(
        classes=3, cardinalities=(4, 4), train=rows, validation=rows, seed=5,
    )  # fmt: skip
    context = RunContext(process=process, checkpoints=kept)
    complete = ALGORITHMS["mlp"].configure(
        {"hidden": (16, 8), "dropout": 0.0, "epochs": 3, "batch_size": 20, **settings}
    )
    fitted = ALGORITHMS["mlp"].train(complete, task, context)
    return [point[name] for point in fitted.history for name in ("loss", "validation_loss")]


def loops(process: Process, strategy: str, optimizer: str) -> dict[str, list[float]]:
    """Return the losses of two processes, of one, and of one that resumes from the first checkpoint of two."""
    more = {"optimizer": optimizer, "averaging": "ema", "max_gradient_norm": 1.0}
    kept = Kept()
    found = {
        "two": history(process, kept, parallel=strategy, **more),
        "one": history(Process(), Kept(), **more),
    }
    if process.is_main:
        found["resumed"] = history(Process(), Kept(kept.saved[0]), parallel=strategy, **more)
    return found


class Recorder(nn.Module):
    """A network that records the random numbers that it draws in training."""

    drawn: list[float]

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        Recorder.drawn = []

    def forward(self, num: Tensor) -> Tensor:
        if self.training:
            Recorder.drawn.append(torch.rand(1).item())
        logits: Tensor = self.layer(num.nan_to_num())
        return logits


def drawn(process: Process, strategy: str) -> tuple[list[float], list[float]]:
    """Return the numbers drawn in two epochs, and those drawn in the second one after resuming from the first."""
    rows = Rows(num=data()[0].numpy(), cat=np.empty((ROWS, 0), np.int64), target=data()[2].numpy())
    settings = ALGORITHMS["mlp"].configure({"epochs": 2, "batch_size": 20, "parallel": strategy})
    kept = Kept()

    def learn(checkpoints: Kept) -> list[float]:
        task = TrainingTask(
            classes=3, cardinalities=(), train=rows, validation=rows, seed=5,
        )  # fmt: skip
        context = RunContext(process=process, checkpoints=checkpoints)
        train_network(Recorder, columns("num"), settings, task, context)
        return Recorder.drawn

    return learn(kept), learn(Kept(kept.saved[0] if process.is_main else None))


def convolutions(process: Process, strategy: str) -> dict[str, list[float]]:
    """Return losses and running statistics of a network with batch norms: of two processes, of one, and resumed."""
    random = np.random.default_rng(0)
    target = random.integers(0, 2, 41)
    image = random.integers(0, 128, (41, 8, 8, 1)) + 100 * target[:, None, None, None]
    rows = Rows(
        num=np.empty((41, 0), np.float32), cat=np.empty((41, 0), np.int64), target=target, image=image.astype(np.uint8)
    )

    def learn(given: Process, kept: Kept, **more: Any) -> list[float]:
        task = TrainingTask(
            classes=2, cardinalities=(), train=rows, validation=rows, seed=5,
        )  # fmt: skip
        context = RunContext(process=given, checkpoints=kept)
        settings = {"hidden": (4, 8), "blocks": 1, "dropout": 0.0, "jitter": False, "epochs": 3, "batch_size": 8}
        fitted = ALGORITHMS["resnet"].train(
            ALGORITHMS["resnet"].configure({**settings, "averaging": "swa", **more}), task, context
        )
        losses = [point[name] for point in fitted.history for name in ("loss", "validation_loss")]
        weights = fitted.weights or {}
        return [*losses, *(value.sum().item() for name, value in weights.items() if "running" in name)]

    kept = Kept()
    found = {"two": learn(process, kept, parallel=strategy), "one": learn(Process(), Kept())}
    if process.is_main:
        found["resumed"] = learn(Process(), Kept(kept.saved[0]), parallel=strategy)
    return found


def lent_row(process: Process) -> float:
    """Return how far a synchronized batch norm, in which only the main process's rows count, is from a local one."""
    rows = torch.arange(12.0).view(3, 4).div(10).square() * (1 + process.rank)
    norm = synchronize_batch_norms(nn.BatchNorm1d(4))
    norm.counts_rows = process.is_main
    alone = nn.BatchNorm1d(4)
    both = [(norm(rows), alone(rows)), (norm.running_var, alone.running_var), (norm.running_mean, alone.running_mean)]
    return max((one - other).abs().max().item() for one, other in both)


def difference(one: State, other: State) -> float:
    return max((one["weights"][name] - other["weights"][name]).abs().max().item() for name in one["weights"])


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    process = Process(rank=int(os.environ["RANK"]), size=int(os.environ["WORLD_SIZE"]))
    alone = Strategy(Process())
    found: dict[str, Any] = {}
    with process_group(process, "cpu"):
        for strategy in ("ddp", "fsdp", "tensor"):
            parallel = make_strategy(strategy, process, "cpu")
            losses, state = steps(parallel, 8)
            further, later = steps(parallel, 4, start=state)
            found[strategy] = {"losses": losses, "further": further, "from_main": parallel.broadcast(process.is_main)}
            del parallel
            one, state_of_one = steps(alone, 8)
            found[strategy]["loops"] = {optimizer: loops(process, strategy, optimizer) for optimizer in OPTIMIZERS}
            found[strategy] |= {"losses_of_one": one, "tensors": len(state["weights"])}
            found[strategy] |= {"drawn": drawn(process, strategy), "images": convolutions(process, strategy)}
            if process.is_main:
                resumed, later_of_one = steps(alone, 4, start=state)
                found[strategy] |= {
                    "weights": difference(state, state_of_one),
                    "resumed_by_one": resumed,
                    "weights_resumed_by_one": difference(later, later_of_one),
                }
        left = make_strategy("ddp", process, "cpu").shard_batch(torch.arange(1))[1]
        found["weight_of_no_row"] = left
        found["lent_row"] = lent_row(process)
    (folder / f"{process.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
