"""Make the strategy by which one or more processes train a network."""

from __future__ import annotations

from pipeline.contracts.compute_cluster import Process
from pipeline.training.distributed.strategy import Strategy

__all__ = ["make_strategy"]


def make_strategy(name: str, process: Process, device: str) -> Strategy:
    """Make a strategy.

    Args:
        name: Value of ``strategy`` in job_spec.Parallel, or "none"; ignored if there is one process.
        process: This process, which has joined the process group (training.distributed.torchrun).
        device: The device that this process trains on.
    """
    if process.size == 1 or name == "none":
        return Strategy(process)
    from pipeline.training.distributed.torch_strategies import (
        STRATEGIES,  # the import takes 0.5 s, and a single process does not need it
    )

    return STRATEGIES[name](process, device)
