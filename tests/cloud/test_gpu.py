"""A GPU job that gets no machine continues on the CPU queue, and the run reports the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.cloud_driver import Cloud
from tests.helpers.cloud_queues import find_queue, occupied, waiting_job
from tests.helpers.real_data import as_jsonl, breast_cancer
from tests.local.conftest import until

pytestmark = pytest.mark.cloud

# So many trials that a GPU is estimated to pay; a minute is all that they get.
SPEC = (
    b"algorithms: [mlp]\ntarget: diagnosis\nlimits: {minutes: 0.3}\n"
    b"search: {method: random, trials: 500, space: {mlp: {dropout: [0.0, 0.1]}}}\n"
)


@pytest.fixture
def gpu_queue(cloud: Cloud) -> str:
    return find_queue(cloud, "gpu")


@pytest.fixture
def busy(cloud: Cloud, gpu_queue: str) -> Iterator[None]:
    """Occupy the only machine of the GPU queue with another job."""
    with occupied(cloud, gpu_queue, "-train-gpu"):
        yield


def _watchers(cloud: Cloud) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the state machine that limits how long jobs wait, with the input of each execution."""
    for machine in cloud.sfn.list_state_machines()["stateMachines"]:
        if "JobWaits" in machine["name"]:
            for execution in cloud.sfn.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
                job_input = cloud.sfn.describe_execution(executionArn=execution["executionArn"])["input"]
                yield machine["stateMachineArn"], json.loads(job_input)


@pytest.mark.usefixtures("busy")
def test_a_gpu_job_that_waits_too_long_continues_on_the_cpu_queue(cloud: Cloud, gpu_queue: str) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/waits/train.yaml", Body=SPEC)
    run = cloud.drop("demo/waits/rows.jsonl", as_jsonl(breast_cancer()))
    job = waiting_job(cloud, gpu_queue, f"{run}-gpu")
    ((machine, job_input),) = until(lambda: [watcher for watcher in _watchers(cloud) if watcher[1]["job"] == job], 30)
    assert job_input["seconds"] == 600
    cloud.sfn.start_execution(stateMachineArn=machine, input=json.dumps({"job": job, "seconds": 1}))
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert any("did not get a machine" in event.text and "CPU queue" in event.text for event in ended.events)
    assert cloud.document(run, "card")["devices"]["gpu"] == "cpu"
