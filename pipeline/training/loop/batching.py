"""Which rows each step of an epoch learns from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pipeline.training.algorithm import Problem, Settings
from pipeline.training.optim.optimizers import FULL_BATCH_OPTIMIZERS

__all__ = ["Batch", "batches", "sizes"]

Batch = tuple[float, Tensor]  # the share of the epoch that is over when it begins, and the rows' places


def batches(settings: Settings, problem: Problem, *, epoch: int, done: int) -> Iterator[Batch]:
    """The epoch's, without the first ``done``. The order is of seed and epoch alone, whatever else is drawn."""
    rows, device = len(problem.train), problem.device
    generator = torch.Generator(device).manual_seed(_epoch_seed(problem.seed, epoch))
    order = torch.randperm(rows, generator=generator, device=device)
    start = 0
    for number, batch in enumerate(torch.split(order, sizes(settings, epoch, rows, seed=problem.seed))):
        if number >= done:
            yield start / rows, batch
        start += len(batch)


def sizes(settings: Settings, epoch: int, rows: int, *, seed: int = 0) -> list[int]:
    """Of the epoch's batches; together ``rows``. A batch of one row alone, which no batch norm takes, is none."""
    given = settings["batch_size"]
    least, most = (given, given) if isinstance(given, int) else (min(given), max(given))
    kind = settings["batching"]
    if kind == "full" or settings["optimizer"] in FULL_BATCH_OPTIMIZERS:
        return [rows]
    if kind == "random":
        drawn = np.random.default_rng((seed, epoch)).integers(least, most + 1, size=-(-rows // least))
        return _cut(drawn.tolist(), rows)
    if kind == "growing":
        # Evenly in its logarithm: in place of a smaller rate (Smith et al. 2018).
        share = (epoch - 1) / max(1, settings["epochs"] - 1)
        most = round(least * (most / least) ** share)
    return _cut([most] * -(-rows // most), rows)


def _cut(wanted: list[int], rows: int) -> list[int]:
    """As ``wanted`` until there are no more rows."""
    ends = np.minimum(np.cumsum(wanted), rows).tolist()
    found = [end - start for start, end in pairwise([0, *ends]) if end > start]
    if len(found) > 1 and found[-1] == 1:
        found[-2:] = [found[-2] + 1]
    return found


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> 1)
