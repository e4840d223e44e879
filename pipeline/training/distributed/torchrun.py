"""Several processes for one training: started by torchrun, joined in one process group."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main as torchrun

from pipeline.contracts.compute_cluster import ComputeCluster, Process
from pipeline.contracts.errors import NodeLostError

__all__ = ["joined", "launch"]

_RENDEZVOUS_TIMEOUT = timedelta(
    minutes=30
)  # while the main one searches or exports; one that is killed is noticed at once
_CHECK_SECONDS = 0.5
_ENDED_BY_SIGTERM = 143


def launch(cluster: ComputeCluster, module: str, arguments: Sequence[str]) -> int:
    """Run ``python -m module arguments`` in each of this node's processes, by torchrun; the exit code.

    Each waits until all nodes are there. None is started again: the job as a whole is, with fewer nodes.
    """
    try:
        torchrun([
            *("--nnodes", str(cluster.nodes), "--node-rank", str(cluster.node_index)),
            *("--nproc-per-node", str(cluster.processes_per_node), "--max-restarts", "0"),
            *("--master-addr", cluster.address, "--master-port", str(cluster.port)),
            *("--module", "--", module, *arguments),  # what follows is not for torchrun to read
        ])  # fmt: skip
    except ChildFailedError:
        return 1
    except SignalException:
        return _ENDED_BY_SIGTERM
    return 0


@contextmanager
def joined(process: Process, device: str) -> Iterator[None]:
    """In the process group of all that torchrun has started: nccl between GPUs, gloo between CPUs; alone, nothing.

    Raise NodeLostError when the others cannot be met.
    """
    if process.size == 1:
        yield
        return
    _end_with_parent()
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    try:
        dist.init_process_group(backend, rank=process.rank, world_size=process.size, timeout=_RENDEZVOUS_TIMEOUT)
    except dist.DistError as error:
        raise NodeLostError(f"the {process.size} processes of the job did not all come together") from error
    yield
    dist.destroy_process_group()  # not after an error: it would wait for those that are gone


def _end_with_parent() -> None:
    """A process of torchrun's has a session of its own, so that torchrun's killing (a node's end) does not reach it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
