"""A process that all-reduces with its peers for a minute: ``python -m tests.helpers.waiting_process``."""

from __future__ import annotations

import os
import sys
import time

import torch
import torch.distributed as dist

from pipeline.contracts.compute_cluster import Process
from pipeline.training.distributed.torchrun import process_group

with process_group(Process(rank=int(os.environ["RANK"]), size=int(os.environ["WORLD_SIZE"])), "cpu"):
    sys.stderr.write("together\n")
    for _ in range(600):
        dist.all_reduce(torch.ones(1))
        time.sleep(0.1)
