"""Make the strategy by which processes train one network."""

from __future__ import annotations

from pipeline.contracts.compute_cluster import Process
from pipeline.training.distributed.strategy import Strategy

__all__ = ["make_strategy"]


def make_strategy(name: str, process: Process, device: str) -> Strategy:
    """Make a strategy.

    Args:
        name: As ``strategy`` in job_spec.Parallel, or "none"; one process needs none.
        process: This process, which has joined the others (training.distributed.torchrun).
        device: The device that it trains on.
    """
    if process.size == 1 or name == "none":
        return Strategy(process)
    from pipeline.training.distributed.torch_strategies import (
        STRATEGIES,  # half a second that one process does not need
    )

    return STRATEGIES[name](process, device)
