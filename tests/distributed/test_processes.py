"""Two processes with torchrun and gloo train like a single process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.contracts.compute_cluster import Process
from pipeline.training.distributed.factory import make_strategy
from pipeline.training.distributed.strategy import Strategy
from tests.helpers.distributed_steps import OPTIMIZERS
from tests.helpers.ports import free_port
from tests.local.conftest import until

ROOT = Path(__file__).parents[2]
LAUNCH = (
    "import sys; from pipeline.contracts.compute_cluster import ComputeCluster; "
    "from pipeline.training.distributed.torchrun import launch; "
    "sys.exit(launch(ComputeCluster(processes_per_node={processes}, nodes={nodes}, node_index={index}, port={port}), "
    "sys.argv[1], sys.argv[2:]))"
)


def start(module: str, *arguments: str, processes: int = 1, nodes: int = 1, index: int = 0, port: int = 0) -> Any:
    script = LAUNCH.format(processes=processes, nodes=nodes, index=index, port=port or free_port())
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"}
    return subprocess.Popen(
        [sys.executable, "-c", script, module, *arguments], env=environ, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The results of both processes. A failed launch is retried, since FSDP sometimes fails at its end."""
    folder = tmp_path_factory.mktemp("together")
    for _ in range(3):
        with start("tests.helpers.distributed_steps", str(folder), processes=2) as launch:
            _, errors = launch.communicate(timeout=300)
        if all((folder / f"{rank}.json").exists() for rank in (0, 1)):
            return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    raise AssertionError(errors)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_two_processes_reach_the_loss_and_the_weights_of_one_process(results: Any, strategy: str) -> None:
    of_two = results[0][strategy]
    assert of_two["losses"] == pytest.approx(of_two["losses_of_one"], abs=1e-5)
    assert of_two["weights"] < 1e-4
    assert of_two["losses"] == results[1][strategy]["losses"]  # both processes decide by the same loss


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_the_loop_of_two_processes_trains_and_resumes_like_one_process(
    results: Any, strategy: str, optimizer: str
) -> None:
    loops, other = (result[strategy]["loops"][optimizer] for result in results)
    assert loops["two"] == pytest.approx(loops["one"], abs=1e-4)
    assert loops["resumed"] == pytest.approx(loops["two"], abs=1e-4)
    assert loops["two"] == other["two"]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_one_process_can_resume_the_checkpoint_of_two_processes(results: Any, strategy: str) -> None:
    of_two = results[0][strategy]
    assert of_two["resumed_by_one"] == pytest.approx(of_two["further"], abs=1e-4)
    assert of_two["weights_resumed_by_one"] < 1e-3


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_batch_norms_of_two_processes_train_and_resume_like_one_process(results: Any, strategy: str) -> None:
    images, other = (result[strategy]["images"] for result in results)
    assert images["two"] == pytest.approx(images["one"], abs=2e-4)
    assert images["resumed"] == pytest.approx(images["two"], abs=2e-4)
    assert images["two"][:6] == other["two"][:6]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_each_process_draws_different_random_numbers_and_resumes_them(results: Any, strategy: str) -> None:
    (main, main_resumed), (other, other_resumed) = (result[strategy]["drawn"] for result in results)
    assert len({*main, *other}) == len(main) + len(other) == 20
    assert (main_resumed, other_resumed) == (main[5:], other[5:])


def test_processes_that_see_the_same_rows_draw_the_same_random_numbers(results: Any) -> None:
    assert results[0]["tensor"]["drawn"] == results[1]["tensor"]["drawn"]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_only_the_main_process_has_the_complete_state(results: Any, strategy: str) -> None:
    assert [result[strategy]["tensors"] > 0 for result in results] == [True, False]


def test_the_main_process_decides_for_all_processes(results: Any) -> None:
    assert [result["ddp"]["from_main"] for result in results] == [True, True]


def test_a_process_without_rows_has_no_weight_in_the_mean(results: Any) -> None:
    assert [result["weight_of_no_row"] for result in results] == [2.0, 0.0]
    assert results[0]["lent_row"] < 1e-5


@pytest.mark.parametrize("strategy", ["none", "ddp", "fsdp", "tensor"])
def test_a_single_process_does_not_shard_batches_or_wrap_networks(strategy: str) -> None:
    strategy_of_one = make_strategy(strategy, Process(), "cpu")
    network, batch = torch.nn.Linear(2, 1), torch.arange(3)
    assert type(strategy_of_one) is Strategy
    assert strategy_of_one.wrap(network) is network
    assert strategy_of_one.shard_batch(batch) == (batch, 1.0)


def test_a_process_ends_when_the_other_node_is_killed() -> None:
    """Start two nodes of one process each and kill one: the other process exits with an error."""
    port = free_port()
    nodes = [start("tests.helpers.waiting_process", nodes=2, index=index, port=port) for index in (0, 1)]
    until(lambda: "together" in nodes[0].stderr.readline(), 60)
    nodes[1].kill()
    assert nodes[0].wait(60) == 1
    nodes[1].communicate()
    nodes[0].communicate()
