"""The machines and processes of a training that is done by several. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ComputeCluster", "Process"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputeCluster:
    """The nodes of one job, as one of them sees it. ``address``, ``port``: where the main node (0) is met."""

    nodes: int = 1
    node_index: int = 0
    address: str = "127.0.0.1"
    port: int = 29500
    processes_per_node: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One of ``size`` processes that train together; ``local_rank`` tells those of one node apart."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Of all, the one whose results are kept."""
        return self.rank == 0
