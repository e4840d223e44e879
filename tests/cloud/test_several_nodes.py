"""A job of several nodes: processes that train one network together, here on one machine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.object_keys import RunKeys
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_jsonl, breast_cancer
from tests.local.conftest import until

pytestmark = pytest.mark.cloud

SPEC = "algorithms: [mlp]\ntarget: diagnosis\ntraining: {{parallel: {{strategy: {strategy}, nodes: 2}}, {more}}}\n"


def _drop(cloud: Cloud, model: str, strategy: str, more: str) -> str:
    spec = SPEC.format(strategy=strategy, more=more).encode()
    cloud.s3.put_object(Bucket=cloud.uploads, Key=f"demo/{model}/train.yaml", Body=spec)
    return cloud.drop(f"demo/{model}/rows.jsonl", as_jsonl(breast_cancer()))


def _jobs_of(cloud: Cloud, run: str) -> list[tuple[int, str]]:
    """Return the number of nodes and the status of each training job of the run, the earliest first."""
    batch = cloud.session.client("batch")
    found = []
    for queue in batch.describe_job_queues()["jobQueues"]:
        for status in ("RUNNING", "SUCCEEDED", "FAILED"):
            listed = batch.list_jobs(jobQueue=queue["jobQueueName"], jobStatus=status)["jobSummaryList"]
            found += [one["jobId"] for one in listed if one["jobName"] == f"{run}-gpu"]
    described = batch.describe_jobs(jobs=found)["jobs"] if found else []
    described.sort(key=lambda one: one["createdAt"])
    return [(one.get("nodeProperties", {}).get("numNodes", 1), one["status"]) for one in described]


def _trained(cloud: Cloud, run: str) -> Any:
    key = RunKeys(run).candidate("mlp", "trained.json")
    return json.loads(cloud.s3.get_object(Bucket=cloud.artifacts, Key=key)["Body"].read())


def test_two_nodes_train_one_model(cloud: Cloud) -> None:
    run = cloud.ended(_drop(cloud, "nodes", "ddp", "epochs: 5"))
    assert (run.status, run.error) == ("SUCCEEDED", None)
    assert _jobs_of(cloud, run.run) == [(2, "SUCCEEDED")]
    trained = _trained(cloud, run.run)
    assert (trained["settings"]["parallel"], trained["device"]) == ("ddp", "2 processes, each on cpu")
    assert trained["quality"]["accuracy"] > 0.85


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to find the processes of a node")
def test_a_run_that_loses_a_node_continues_with_fewer_nodes_and_succeeds(cloud: Cloud) -> None:
    run = _drop(cloud, "lost", "ddp", "epochs: 40, early_stopping: 40, batch_size: 8, checkpoint_seconds: 0")
    endpoint = cloud.s3.meta.endpoint_url
    cloud.until(run, lambda found: any("epoch" in (stage.progress or "") for stage in found.stages))
    (node,) = until(lambda: list(_processes_of_node(endpoint, run)))
    os.kill(node, signal.SIGKILL)
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert _jobs_of(cloud, run) == [(2, "FAILED"), (1, "SUCCEEDED")]
    assert any("resumed from a checkpoint" in note for note in _trained(cloud, run)["notes"])


def _processes_of_node(endpoint: str, run: str) -> Iterator[int]:
    """The training process of the second node of this cloud's run."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        ours = b"AWS_ENDPOINT_URL=" + endpoint.encode() in environment and run.encode() in command
        if ours and b"AWS_BATCH_JOB_NODE_INDEX=1" in environment and b"pipeline.jobs.train\0" in command:
            yield int(process.name)
