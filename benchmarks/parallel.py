"""Compare two processes of distributed training (default: DDP) with one on this machine: rows per second and loss.

    python benchmarks/parallel.py [--rows 60000] [--epochs 3]

Each process has one thread; torchrun also starts the single process. The networks: MNIST's (784-128-10, Adam, batch
32), and a wide one (784-2048-2048-10, batch 1024), whose steps are long enough to be worth the communication. The rows
are generated. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import torch
from common import report
from torch import nn

from pipeline.contracts.compute_cluster import ComputeCluster, Process
from pipeline.training.distributed.factory import make_strategy
from pipeline.training.distributed.torchrun import launch, process_group

ROOT = Path(__file__).resolve().parents[1]
SAME_LOSS = 1e-3  # tolerance: float32 sums in another order differ, and Adam's first steps amplify it
NETWORKS = {"mnist": ((784, 128, 10), 32), "wide": ((784, 2048, 2048, 10), 1024)}


def main() -> None:
    """Compare both networks, or run one of them in a child process (``--network``)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--strategy", choices=("ddp", "fsdp", "tensor"), default="ddp")
    # The arguments without help are for child processes.
    parser.add_argument("--network", choices=NETWORKS, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--processes", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if "RANK" in os.environ:
        _train(arguments)
    elif arguments.processes:
        sys.exit(launch(ComputeCluster(processes_per_node=arguments.processes), "parallel", sys.argv[1:]))
    else:
        _compare(arguments.strategy)


def _compare(strategy: str) -> None:
    single, double = ({name: _run(name, processes) for name in NETWORKS} for processes in (1, 2))
    for name in NETWORKS:
        for label, figures in (("1 process", single[name]), (f"2, {strategy}", double[name])):
            print(f"{name:>5}, {label:<9}: {figures['rows_per_second']:>8,.0f} rows/s, loss {figures['loss']:.6f}")
    report(
        "parallel",
        results={strategy: double},
        floor=None,
        peers={"one process": single},
        ratios={name: round(double[name]["rows_per_second"] / single[name]["rows_per_second"], 3) for name in NETWORKS},
        met=all(abs(double[name]["loss"] - single[name]["loss"]) < SAME_LOSS for name in NETWORKS),
    )


def _run(network: str, processes: int) -> dict[str, float]:
    """Return rows per second and loss of some processes; torchrun also starts a single one, for a fair comparison."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, __file__, *sys.argv[1:], "--network", network]
        command += ["--processes", str(processes), "--result", str(result)]
        environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}", "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, cwd=ROOT, env=environ)
        return dict(json.loads(result.read_text()))


def _train(arguments: argparse.Namespace) -> None:
    """Train in this process; the main process writes rows per second and the last epoch's loss."""
    process = Process(rank=int(os.environ["RANK"]), size=int(os.environ["WORLD_SIZE"]))
    widths, batch_size = NETWORKS[arguments.network]
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(arguments.rows, widths[0], generator=generator)
    target = (rows[:, :100] @ torch.randn(100, widths[-1], generator=generator)).argmax(dim=1)
    torch.manual_seed(0)
    layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())][:-1]
    with process_group(process, "cpu"):
        together = make_strategy(arguments.strategy, process, "cpu")
        model = together.wrap(nn.Sequential(*layers))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        seconds, loss = 0.0, 0.0
        for _ in range(arguments.epochs):
            started, total = time.perf_counter(), torch.zeros(())
            for batch in torch.split(torch.randperm(len(rows), generator=generator), batch_size):
                mine, part_of_mean = together.shard_batch(batch)
                of_batch = nn.functional.cross_entropy(model(rows[mine]), target[mine]) * part_of_mean
                optimizer.zero_grad(set_to_none=True)
                of_batch.backward()
                optimizer.step()
                total += of_batch.detach() * len(batch)
            loss = together.all_reduce_mean(total).item() / len(rows)
            seconds += time.perf_counter() - started
    if process.is_main:
        figures = {"rows_per_second": round(arguments.epochs * len(rows) / seconds), "loss": loss}
        arguments.result.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
