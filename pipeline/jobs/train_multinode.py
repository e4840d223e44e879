"""``python -m pipeline.jobs.train_multinode --run RUN --job JOB``: one node of a job of several.

torchrun starts ``pipeline.jobs.train`` in each of its processes; the main one's results are the job's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from pipeline import bootstrap
from pipeline.contracts.compute_cluster import ComputeCluster
from pipeline.training.distributed.machine import processes_of
from pipeline.training.distributed.torchrun import launch

__all__ = ["train_multinode"]


def train_multinode(
    arguments: Sequence[str],
    *,
    connect: Callable[[], bootstrap.Node] = bootstrap.node,
    start: Callable[[ComputeCluster, str, Sequence[str]], int] = launch,
) -> int:
    """Run the processes of one node, and return its exit code."""
    node = connect()
    cluster = node.cluster._replace(processes_per_node=processes_of(node.queue))
    return start(cluster, "pipeline.jobs.train", arguments)


if __name__ == "__main__":
    sys.exit(train_multinode(sys.argv[1:]))
