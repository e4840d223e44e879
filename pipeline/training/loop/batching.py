"""The batches of an epoch: sizes and order of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.algorithm import TrainingTask
from pipeline.training.optim.optimizers import FULL_BATCH_OPTIMIZERS

__all__ = ["BatchRows", "batch_sizes", "is_full_batch", "iterate_batches"]

BatchRows = tuple[float, Tensor]  # fraction of the epoch before the batch, and the indices of its rows [rows]


def iterate_batches(
    config: NetworkConfig, task: TrainingTask, device: str, *, epoch: int, first_step: int
) -> Iterator[BatchRows]:
    """Yield the batches of an epoch from ``first_step`` on.

    The order of the rows depends only on the seed and the epoch, not on other random numbers of the training.
    """
    rows = len(task.train)
    generator = torch.Generator(device).manual_seed(_epoch_seed(task.seed, epoch))
    order = torch.randperm(rows, generator=generator, device=device)
    start = 0
    for step, batch in enumerate(torch.split(order, batch_sizes(config, epoch, rows, seed=task.seed))):
        if step >= first_step:
            yield start / rows, batch
        start += len(batch)


def batch_sizes(config: NetworkConfig, epoch: int, rows: int, *, seed: int = 0) -> list[int]:
    """Return the sizes of the batches of an epoch, whose sum is ``rows``.

    No batch has a single row, since batch norm needs two, unless ``rows`` is 1.

    References:
        Smith et al. 2018, Don't Decay the Learning Rate, Increase the Batch Size (``batching: growing``).
    """
    batch_size = config.batch_size
    smallest, largest = (batch_size, batch_size) if isinstance(batch_size, int) else (min(batch_size), max(batch_size))
    if is_full_batch(config):
        return [rows]
    if config.batching == "random":
        drawn = np.random.default_rng((seed, epoch)).integers(smallest, largest + 1, size=-(-rows // smallest))
        return _truncate(drawn.tolist(), rows)
    if config.batching == "growing":  # geometrically over the epochs
        progress = (epoch - 1) / max(1, config.epochs - 1)
        largest = round(smallest * (largest / smallest) ** progress)
    return _truncate([largest] * -(-rows // largest), rows)


def is_full_batch(config: NetworkConfig) -> bool:
    """Return whether each step uses all rows."""
    return config.batching == "full" or config.optimizer in FULL_BATCH_OPTIMIZERS


def _truncate(sizes: list[int], rows: int) -> list[int]:
    """Truncate the sizes to a sum of ``rows``; a single last row joins the batch before it."""
    ends = np.minimum(np.cumsum(sizes), rows).tolist()
    truncated = [end - start for start, end in pairwise([0, *ends]) if end > start]
    if len(truncated) > 1 and truncated[-1] == 1:
        truncated[-2:] = [truncated[-2] + 1]
    return truncated


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> 1)
