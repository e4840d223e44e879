"""Start the processes of one training with torchrun, and join them in a process group."""

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

__all__ = ["launch", "process_group"]

_RENDEZVOUS_TIMEOUT = timedelta(minutes=30)  # the other processes wait this long while the main one searches or exports
_CHECK_SECONDS = 0.5
_ENDED_BY_SIGTERM = 143


def launch(cluster: ComputeCluster, module: str, arguments: Sequence[str]) -> int:
    """Run ``python -m module arguments`` in each of this node's processes with torchrun.

    Each process waits until all nodes have joined. A failed process is not restarted: the whole job is retried, with
    fewer nodes.

    Returns:
        The exit code.
    """
    try:
        torchrun([
            *("--nnodes", str(cluster.nodes), "--node-rank", str(cluster.node_index)),
            *("--nproc-per-node", str(cluster.processes_per_node), "--max-restarts", "0"),
            *("--master-addr", cluster.address, "--master-port", str(cluster.port)),
            *("--module", "--", module, *arguments),  # torchrun does not parse what follows
        ])  # fmt: skip
    except ChildFailedError:
        return 1
    except SignalException:
        return _ENDED_BY_SIGTERM
    return 0


@contextmanager
def process_group(process: Process, device: str) -> Iterator[None]:
    """Join the process group of all processes that torchrun started: nccl between GPUs, gloo between CPUs.

    A single process needs no process group.

    Args:
        process: This process.
        device: The device that this process trains on.

    Raises:
        NodeLostError: Not all processes joined in time.
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
        raise NodeLostError(f"not all {process.size} processes of the job joined in time") from error
    # With several processes, the backward pass of oneDNN's convolutions corrupts the heap (torch 2.13.0 on AMD EPYC).
    with torch.backends.mkldnn.flags(enabled=backend != "gloo"):
        yield
    dist.destroy_process_group()  # not after an error: it would wait for processes that have ended


def _end_with_parent() -> None:
    """Exit when torchrun ends: it starts its processes in their own sessions, so killing it does not kill them."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
