"""The launch of a training on several nodes."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import bootstrap
from pipeline.contracts.compute_cluster import ComputeCluster
from pipeline.jobs.train_multinode import train_multinode

CHILD = {
    "MODELDROP_QUEUE": "cpu",
    "AWS_BATCH_JOB_NUM_NODES": "3",
    "AWS_BATCH_JOB_NODE_INDEX": "2",
    "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "10.42.2.7",
}


def test_a_node_starts_the_training_with_the_address_of_the_main_node() -> None:
    started: list[tuple[ComputeCluster, str, Sequence[str]]] = []

    def start(cluster: ComputeCluster, module: str, arguments: Sequence[str]) -> int:
        started.append((cluster, module, arguments))
        return 7

    assert train_multinode(["--run", "r"], connect=lambda: bootstrap.node(CHILD), start=start) == 7
    cluster = ComputeCluster(nodes=3, node_index=2, address="10.42.2.7", port=29500, processes_per_node=1)
    assert started == [(cluster, "pipeline.jobs.train", ["--run", "r"])]


def test_the_main_node_without_an_address_from_batch_is_the_rendezvous() -> None:
    main = {name: CHILD[name] for name in ("MODELDROP_QUEUE", "AWS_BATCH_JOB_NUM_NODES")}
    assert bootstrap.node(main).cluster == ComputeCluster(nodes=3)
