"""What a job's machine has to train on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

__all__ = ["Machine", "limit_blas_threads", "processes_of", "this_machine"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """``device`` as torch names it; ``description`` as the model's card says it (records.outcome.JobOutcome)."""

    device: str
    description: str
    threads: int


def this_machine(queue: Literal["cpu", "gpu", "code"], local_rank: int = 0) -> Machine:
    """A GPU when the queue promises one and there is one, else the CPU; the GPU of the process's ``local_rank``.

    A thread for every second processor: in the cloud two of them share a core, on a laptop two jobs share the machine
    (there, threads that wait for each other's turn make a step of the network ten times slower).
    """
    threads = max(1, _processors() // 2)
    if queue == "cpu":
        return Machine(device="cpu", description="cpu", threads=threads)
    import torch

    if torch.cuda.is_available():
        device = f"cuda:{local_rank}"
        return Machine(device=device, description=f"{device} ({torch.cuda.get_device_name(device)})", threads=threads)
    return Machine(device="cpu", description="cpu, standing in for the GPU queue", threads=threads)


def limit_blas_threads(threads: int) -> None:
    """Let the matrix products of numpy and scipy take so many threads from now on.

    Their own choice is a thread for every processor. Those of small matrices wait for each other longer than they work:
    on two busy processors a logistic regression of 1,300 rows took 1.8 s of them instead of 0.02 s.
    """
    import scipy.linalg  # noqa: F401 - it brings a BLAS of its own, which is limited only when it is loaded
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads, user_api="blas")


def processes_of(queue: Literal["cpu", "gpu"]) -> int:
    """That train together on one node: one a GPU; one where there is none, with all of its threads."""
    if queue == "cpu":
        return 1
    import torch

    return max(1, torch.cuda.device_count())


def _processors() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
