"""Jobs as processes, without an emulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.local.batch.job import BatchJob
from pipeline.local.batch.request import Attempt, JobRequest, build_request
from pipeline.local.batch.runner import JobRunner
from tests.local.conftest import until

DEFINITION = {
    "jobDefinitionName": "train",
    "parameters": {"run": "none", "job": "none"},
    "retryStrategy": {
        "attempts": "3",
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onExitCode": "13*", "onReason": "*", "action": "retry"},
            {"onReason": "*", "action": "EXIT"},
        ],
    },
    "timeout": {"attemptDurationSeconds": "60"},
    "containerProperties": {
        "command": ["python", "-m", "train", "--run", "Ref::run", "--job", "Ref::job"],
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "resourceRequirements": [{"type": "VCPU", "value": "4"}, {"type": "GPU", "value": "1"}],
        "logConfiguration": {"options": {"awslogs-group": "/jobs", "awslogs-stream-prefix": "train-gpu"}},
    },
}


def request(**submitted: Any) -> JobRequest:
    return build_request({"jobName": "n", "jobQueue": "arn:aws:batch:r:0:job-queue/gpu", **submitted}, DEFINITION)


def test_a_job_request_is_the_definition_with_the_submitted_overrides() -> None:
    overrides = {"environment": [{"name": "B", "value": "3"}]}
    job_request = request(parameters={"run": "r1"}, containerOverrides=overrides, timeout={"attemptDurationSeconds": 5})
    assert job_request.command == (sys.executable, "-m", "train", "--run", "r1", "--job", "none")
    assert (job_request.environment, job_request.queue, job_request.vcpus) == ({"A": "1", "B": "3"}, "gpu", 4)
    assert (job_request.attempts, job_request.attempt_seconds) == (3, 5.0)
    assert (job_request.log_group, job_request.log_prefix) == ("/jobs", "train-gpu")


@pytest.mark.parametrize(
    ("code", "reason", "again"),
    [
        (1, "Host EC2 (i-1) terminated.", True),
        (137, "Essential container in task exited", True),
        (1, "Essential container in task exited", False),
    ],
)
def test_the_first_matching_rule_decides_whether_a_job_is_retried(code: int, reason: str, again: bool) -> None:
    attempt = Attempt(started_at=0, stopped_at=1, exit_code=code, status_reason=reason, log_stream="s")
    assert request().retries(attempt) is again


def test_a_failed_job_is_retried_when_there_are_no_rules() -> None:
    attempt = Attempt(started_at=0, stopped_at=1, exit_code=1, status_reason="", log_stream="s")
    assert request(retryStrategy={"attempts": 2}).retries(attempt) is True


SEVERAL = {
    "jobDefinitionName": "nodes",
    "nodeProperties": {
        "mainNode": 0,
        "numNodes": 2,
        "nodeRangeProperties": [{"targetNodes": "0:", "container": DEFINITION["containerProperties"]}],
    },
}


def test_the_submission_overrides_the_number_of_nodes() -> None:
    job_request = build_request({"jobName": "n", "jobQueue": "q", "nodeOverrides": {"numNodes": 3}}, SEVERAL)
    assert (job_request.nodes, job_request.vcpus, job_request.log_group) == (3, 12, "/jobs")
    assert build_request({"jobName": "n", "jobQueue": "q"}, SEVERAL).nodes == 2


def script(text: str, name: str = "job", queue: str = "cpu", vcpus: int = 64, nodes: int = 1) -> JobRequest:
    return JobRequest(
        name=name,
        queue=queue,
        command=(sys.executable, "-c", text),
        environment={},
        parameters={},
        vcpus=vcpus,
        attempts=1,
        exit_rules=(),
        attempt_seconds=None,
        log_group="g",
        log_prefix="p",
        nodes=nodes,
    )


@pytest.fixture
def runner(tmp_path: Path) -> JobRunner:
    return JobRunner("http://127.0.0.1:1", tmp_path, write_log=lambda group, stream, line: None, grace_seconds=0.5)


def submit(runner: JobRunner, text: str, **options: Any) -> BatchJob:
    return runner.submit(script(text, **options), changed=lambda job: None)


def test_jobs_of_one_queue_wait_for_each_other_but_not_for_another_queue(runner: JobRunner, tmp_path: Path) -> None:
    may_end = tmp_path / "may_end"
    first = submit(runner, f"import pathlib, time\nwhile not pathlib.Path({str(may_end)!r}).exists(): time.sleep(0.02)")
    until(lambda: first.status == "RUNNING")
    second = submit(runner, "pass")
    other = submit(runner, "pass", queue="gpu")
    assert other.ended.wait(60)
    assert (first.status, second.status, other.status) == ("RUNNING", "RUNNABLE", "SUCCEEDED")
    may_end.touch()
    assert second.ended.wait(60)
    assert second.started_at is not None
    assert first.stopped_at is not None
    assert second.started_at >= first.stopped_at


def test_a_job_that_is_canceled_while_it_waits_never_starts(runner: JobRunner) -> None:
    first = submit(runner, "import time; time.sleep(30)")
    until(lambda: first.status == "RUNNING")
    second = submit(runner, "pass")
    runner.stop(second.id, "not needed")
    assert second.ended.wait(10)
    assert (second.status, second.status_reason, second.started_at) == ("FAILED", "not needed", None)
    runner.end()
    assert first.ended.wait(10)


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace_period(runner: JobRunner, tmp_path: Path) -> None:
    job = submit(runner, "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(30)")
    until(lambda: (tmp_path / "job.log").exists() and "ready" in (tmp_path / "job.log").read_text())
    runner.stop(job.id, "stop")
    assert job.ended.wait(10)
    assert job.attempts[0].exit_code == 137


_TELL = (  # in one write: a node is ended at any time
    "import os; e = os.environ; os.write(1, (' '.join(str(e.get(f'AWS_BATCH_JOB_{name}')) for name in ("
    "'NODE_INDEX', 'NUM_NODES', 'MAIN_NODE_INDEX', 'MAIN_NODE_PRIVATE_IPV4_ADDRESS')) + '\\n').encode()); "
)


def test_each_node_is_a_process_and_workers_know_the_address_of_the_main_node(
    runner: JobRunner, tmp_path: Path
) -> None:
    job = submit(runner, _TELL, nodes=3)
    assert job.ended.wait(10)
    lines = (tmp_path / "job.log").read_text().splitlines()
    assert job.status == "SUCCEEDED"
    assert "0 3 0 None" in lines
    assert set(lines) <= {"0 3 0 None", "1 3 0 127.0.0.1", "2 3 0 127.0.0.1"}


@pytest.mark.parametrize(("main_code", "status"), [(0, "SUCCEEDED"), (3, "FAILED")])
def test_the_exit_of_the_main_node_ends_the_job(runner: JobRunner, main_code: int, status: str) -> None:
    text = f"import os, time; time.sleep(30) if os.environ['AWS_BATCH_JOB_NODE_INDEX'] != '0' else exit({main_code})"
    job = submit(runner, text, nodes=2)
    assert job.ended.wait(10)
    assert (job.status, job.attempts[0].exit_code) == (status, main_code)


def test_a_failed_worker_node_does_not_end_the_job(runner: JobRunner) -> None:
    text = "import os, time; time.sleep(0.5) if os.environ['AWS_BATCH_JOB_NODE_INDEX'] == '0' else exit(1)"
    job = submit(runner, text, nodes=2)
    assert job.ended.wait(10)
    assert job.status == "SUCCEEDED"


def test_stopping_a_multi_node_job_ends_all_nodes(runner: JobRunner, tmp_path: Path) -> None:
    job = submit(runner, _TELL + "import time; time.sleep(60)", nodes=2)
    until(lambda: (tmp_path / "job.log").exists() and len((tmp_path / "job.log").read_text().splitlines()) == 2)
    runner.stop(job.id, "stop")
    assert job.ended.wait(10)
    assert (job.status, job.status_reason) == ("FAILED", "stop")


def test_a_background_process_of_a_job_does_not_keep_it_running(runner: JobRunner) -> None:
    job = submit(runner, "import subprocess, sys; subprocess.Popen(['sleep', '30'])")
    assert job.ended.wait(10)
    assert job.status == "SUCCEEDED"


def test_a_missing_command_fails_with_exit_code_127(runner: JobRunner, tmp_path: Path) -> None:
    request = script("")
    job = runner.submit(JobRequest(**{**vars_of(request), "command": ("no-such-command",)}), changed=lambda job: None)
    assert job.ended.wait(10)
    assert job.attempts[0].exit_code == 127
    assert (tmp_path / "job.log").read_text().startswith("no-such-command: ")


def vars_of(request: JobRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in JobRequest.__slots__}


def test_a_job_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    """A stand-in for the server starts a supervised job and is killed as by kill -9."""
    server = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-m', 'pipeline.local.supervise', str(os.getpid()), sys.executable, '-c',"
        " 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'], start_new_session=True)\n"
        "os.kill(os.getpid(), 19)"  # wait, stopped, for SIGKILL
    )
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        job = int(process.stdout.readline())
        process.kill()
    until(lambda: not _alive(job))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z")
