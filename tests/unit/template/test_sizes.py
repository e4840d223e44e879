"""Size limits of AWS: environments of functions, inputs of states, and names that contain the name of a run."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.object_keys import run_name
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.plan import plan
from tests.helpers.template import resources, tasks_of_all, template, transformed

MAX_ENVIRONMENT_BYTES = 4 << 10  # of a Lambda function
MAX_STATE_BYTES = 256 << 10  # of a state's input or output, in UTF-8
MAX_EXECUTION_NAME = 80
MAX_JOB_NAME = 128
LONGEST = {  # of what a Ref gives: an ARN of a state machine, the name of a table, a parameter
    "AWS::Serverless::StateMachine": 300,
    "AWS::DynamoDB::Table": 255,
    "AWS::S3::Bucket": 63,
    "AWS::Serverless::Function": 64,
    "AWS::Cognito::UserPoolClient": 128,
}
LONGEST_PARAMETER = 256
RUN = run_name("t" * 32, "m" * 32, "bucket", "key", "version")


def _bytes_at_most(value: Any) -> int:
    """Return the most bytes that the value of an environment variable can have."""
    if isinstance(value, str):
        return len(re.sub(r"\$\{[^}]+\}", "x" * LONGEST_PARAMETER, value).encode())
    if "Ref" in value:
        parameter = template()["Parameters"].get(value["Ref"], {})
        kind = template()["Resources"].get(value["Ref"], {}).get("Type", "")
        return int(parameter.get("MaxLength", LONGEST.get(kind, LONGEST_PARAMETER)))
    if "Fn::If" in value:
        return max(map(_bytes_at_most, value["Fn::If"][1:]))
    return LONGEST_PARAMETER


@pytest.mark.parametrize("name", resources("AWS::Serverless::Function"))
def test_the_environment_of_a_function_fits_with_the_longest_resource_names(name: str) -> None:
    function = transformed()["Resources"][name]["Properties"]
    variables = function["Environment"]["Variables"]
    size = sum(len(key) + _bytes_at_most(value) for key, value in variables.items())
    assert size < MAX_ENVIRONMENT_BYTES / 2
    assert not {key for key in variables if key.startswith(("AWS_LAMBDA", "AWS_REGION", "AWS_DEFAULT_REGION"))}


def _plan(task: str) -> Plan:
    """Make the plan of a table for which the most candidates are tried."""
    columns = [ColumnProfile(name=f"n{number}", kind="numeric", missing=0, distinct=900) for number in range(20)]
    columns.append(ColumnProfile(name="c", kind="categorical", missing=0, distinct=3, vocabulary=("a", "b", "c")))
    classes = ("no", "yes") if task == "classification" else ()
    dataset = Dataset(
        task=task,
        target="y" if task != "clustering" else "",
        columns=tuple(columns),
        classes=classes,
        class_rows=tuple(4_000_000 for _ in classes),
        rows=SplitRows(train=8_000_000, validation=1_000_000, test=1_000_000),
        sha256="",
    )
    return plan(dataset, JobSpec(limits={"minutes": 600}))


@pytest.mark.parametrize("task", ["classification", "regression", "clustering"])
def test_the_input_of_a_state_stays_small_for_the_largest_plan(task: str) -> None:
    """What passes from state to state: the run, its plan's jobs, its version, and an error's cause of 32 KB."""
    jobs = [{"name": job.name, "queue": job.queue, "nodes": job.nodes} for job in _plan(task).jobs]
    assert 1 <= len(jobs) <= len(catalog())
    error = {"Error": "x" * 256, "Cause": "\U0001f40c" * 32_768}
    state = {"run": RUN, "large": True, "plan": {"jobs": jobs}, "registered": {"version": 999_999}, "error": error}
    assert len(json.dumps(state, ensure_ascii=False).encode()) < 0.6 * MAX_STATE_BYTES
    assert len(json.dumps({**state, "error": None})) < 10_000
    assert all(len(f"{RUN}-{job['name']}") <= MAX_JOB_NAME for job in jobs)


def test_names_of_executions_and_jobs_fit_the_longest_run() -> None:
    assert len(RUN) <= MAX_EXECUTION_NAME
    for task in tasks_of_all().values():
        name = str(task["Parameters"].get("JobName.$", ""))
        if made := re.match(r"States\.Format\('(?P<pattern>[^']*)'", name):
            assert len(made["pattern"].replace("{}", RUN, 1)) <= MAX_JOB_NAME
