"""Two processes by torchrun and gloo reach what one reaches."""

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
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the main process wrote; a launch that fails is tried again (FSDP's end sometimes does, after its result)."""
    folder = tmp_path_factory.mktemp("together")
    for _ in range(3):
        with start("tests.helpers.distributed_steps", str(folder), processes=2) as launch:
            _, errors = launch.communicate(timeout=300)
        if all((folder / f"{rank}.json").exists() for rank in (0, 1)):
            return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    raise AssertionError(errors)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_two_processes_reach_the_loss_and_the_weights_of_one(found: Any, strategy: str) -> None:
    of_two = found[0][strategy]
    assert of_two["losses"] == pytest.approx(of_two["losses_of_one"], abs=1e-5)
    assert of_two["weights"] < 1e-4
    assert of_two["losses"] == found[1][strategy]["losses"]  # both decide by the same number


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_the_loop_of_two_processes_goes_as_that_of_one_and_resumes_as_one(
    found: Any, strategy: str, optimizer: str
) -> None:
    loops, other = (one[strategy]["loops"][optimizer] for one in found)
    assert loops["two"] == pytest.approx(loops["one"], abs=1e-4)
    assert loops["resumed"] == pytest.approx(loops["two"], abs=1e-4)
    assert loops["two"] == other["two"]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_one_process_goes_on_from_what_two_have_left(found: Any, strategy: str) -> None:
    of_two = found[0][strategy]
    assert of_two["resumed_by_one"] == pytest.approx(of_two["further"], abs=1e-4)
    assert of_two["weights_resumed_by_one"] < 1e-3


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_batch_norms_of_two_processes_see_the_rows_that_those_of_one_see(found: Any, strategy: str) -> None:
    images, other = (one[strategy]["images"] for one in found)
    assert images["two"] == pytest.approx(images["one"], abs=2e-4)
    assert images["resumed"] == pytest.approx(images["two"], abs=2e-4)
    assert images["two"][:6] == other["two"][:6]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_each_process_draws_for_its_own_rows_and_goes_on_so(found: Any, strategy: str) -> None:
    (main, main_resumed), (other, other_resumed) = (one[strategy]["drawn"] for one in found)
    assert len({*main, *other}) == len(main) + len(other) == 20
    assert (main_resumed, other_resumed) == (main[5:], other[5:])


def test_processes_that_see_the_same_rows_draw_the_same(found: Any) -> None:
    assert found[0]["tensor"]["drawn"] == found[1]["tensor"]["drawn"]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tensor"])
def test_the_main_process_alone_holds_the_whole_state(found: Any, strategy: str) -> None:
    assert [one[strategy]["tensors"] > 0 for one in found] == [True, False]


def test_the_main_process_decides_for_all(found: Any) -> None:
    assert [one["ddp"]["from_main"] for one in found] == [True, True]


def test_a_process_for_which_no_row_is_left_counts_nothing(found: Any) -> None:
    assert [one["weight_of_no_row"] for one in found] == [2.0, 0.0]
    assert found[0]["lent_row"] < 1e-5


@pytest.mark.parametrize("strategy", ["none", "ddp", "fsdp", "tensor"])
def test_alone_nothing_is_cut(strategy: str) -> None:
    alone = make_strategy(strategy, Process(), "cpu")
    network, batch = torch.nn.Linear(2, 1), torch.arange(3)
    assert type(alone) is Strategy
    assert alone.wrap(network) is network
    assert alone.shard_batch(batch) == (batch, 1.0)


def test_a_process_ends_when_its_node_is_killed() -> None:
    """Of two nodes of one process each; the other one then hears that it is alone."""
    port = free_port()
    nodes = [start("tests.helpers.waiting_process", nodes=2, index=index, port=port) for index in (0, 1)]
    until(lambda: "together" in nodes[0].stderr.readline(), 60)
    nodes[1].kill()
    assert nodes[0].wait(60) == 1
    nodes[1].communicate()
    nodes[0].communicate()
