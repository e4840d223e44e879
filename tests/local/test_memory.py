"""The server's memory does not grow with what it stores."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.local.launch import terminate
from tests.local.conftest import Local, run_server, until

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc"),
]

_MOST_MEGABYTES = 40


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Local]:
    """A server without stored data."""
    running = run_server(tmp_path)
    yield running
    terminate(running.home, running.server)


def resident_megabytes(local: Local) -> int:
    lines = Path(f"/proc/{local.server.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) // 1024


def test_versions_histories_and_log_lines_are_not_kept_in_memory(own: Local) -> None:
    s3, sfn, logs = own.client("s3"), own.client("stepfunctions"), own.client("logs")
    logs.create_log_group(logGroupName="lines")

    def store(number: int) -> str:
        s3.put_object(Bucket=own.outputs["Bucket"], Key=f"keys/{number % 10}", Body=os.urandom(2_000_000))
        logs.create_log_stream(logGroupName="lines", logStreamName=str(number))
        events = [{"timestamp": 1, "message": os.urandom(1000).hex()} for _ in range(200)]
        logs.put_log_events(logGroupName="lines", logStreamName=str(number), logEvents=events)
        document = json.dumps({"way": "none", "text": os.urandom(50_000).hex()})
        answer = sfn.start_execution(stateMachineArn=own.outputs["Machine"], name=str(number), input=document)
        return str(answer["executionArn"])

    for number in range(10):  # what is loaded once
        store(number)
    before = resident_megabytes(own)
    started = [store(number) for number in range(10, 150)]  # 280 MB, 56 MB and 70 MB, the last many times a history
    until(lambda: all(sfn.describe_execution(executionArn=arn)["status"] != "RUNNING" for arn in started), 60)
    assert resident_megabytes(own) - before < _MOST_MEGABYTES
    history = sfn.get_execution_history(executionArn=started[0])["events"]
    assert (history[0]["type"], history[-1]["type"]) == ("ExecutionStarted", "ExecutionSucceeded")
