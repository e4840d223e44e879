"""A GPU job that gets no machine goes on on the CPU queue, and the run says why."""

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
    """Another job has the only machine of the GPU queue."""
    with occupied(cloud, gpu_queue, "-train-gpu"):
        yield


def _watchers(cloud: Cloud) -> Iterator[tuple[str, dict[str, Any]]]:
    """The machine that limits how long jobs wait, with each input that it was started with."""
    for machine in cloud.sfn.list_state_machines()["stateMachines"]:
        if "JobWaits" in machine["name"]:
            for execution in cloud.sfn.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
                told = cloud.sfn.describe_execution(executionArn=execution["executionArn"])["input"]
                yield machine["stateMachineArn"], json.loads(told)


@pytest.mark.usefixtures("busy")
def test_a_gpu_job_that_waits_too_long_goes_on_on_the_cpu_queue(cloud: Cloud, gpu_queue: str) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/waits/train.yaml", Body=SPEC)
    run = cloud.drop("demo/waits/rows.jsonl", as_jsonl(breast_cancer()))
    job = waiting_job(cloud, gpu_queue, f"{run}-gpu")
    ((machine, told),) = until(lambda: [found for found in _watchers(cloud) if found[1]["job"] == job], 30)
    assert told["seconds"] == 600
    cloud.sfn.start_execution(stateMachineArn=machine, input=json.dumps({"job": job, "seconds": 1}))
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert any("did not get a machine" in event.text and "CPU queue" in event.text for event in ended.events)
    assert cloud.document(run, "card")["devices"]["gpu"] == "cpu"
