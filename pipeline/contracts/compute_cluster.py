"""Nodes and processes of a distributed training. Imports nothing heavy."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ComputeCluster", "Process"]


class ComputeCluster(NamedTuple):
    """Nodes of one Batch job, as one node sees them.

    Attributes:
        nodes: Number of nodes.
        node_index: Index of this node; 0 is the main node.
        address: Address of the main node, where processes rendezvous.
        port: Port of the rendezvous.
        processes_per_node: Processes on each node: one per GPU, else 1.
    """

    nodes: int = 1
    node_index: int = 0
    address: str = "127.0.0.1"
    port: int = 29500
    processes_per_node: int = 1


class Process(NamedTuple):
    """One process of a distributed training.

    Attributes:
        rank: Index among all processes; 0 is the main process.
        size: Number of processes (the world size).
        local_rank: Index among the processes of its node.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Return whether this process writes the results."""
        return self.rank == 0
