"""Functions as processes behind the Runtime API, without an emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.local.handlers.instance import FunctionSpec
from pipeline.local.handlers.pool import Functions
from pipeline.local.handlers.runtime_api import Invocation, RuntimeApi, RuntimeResponse
from pipeline.local.processes import ROOT
from tests.local.conftest import until

CODE = """
import json, os, time
print("loading")
class OddError(Exception):
    pass
def handler(event, context):
    if event == "raise":
        raise OddError("so odd")
    if event == "big":
        return "x" * 7_000_000
    if isinstance(event, (int, float)):
        time.sleep(event)
    return {"pid": os.getpid(), "arn": context.invoked_function_arn, "id": context.aws_request_id}
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "app.py").write_text(CODE)
    (folder / "broken.py").write_text("import nothing_of_that_name")
    return folder


@pytest.fixture
def functions(tmp_path: Path) -> Iterator[Functions]:
    (tmp_path / "logs").mkdir()
    functions = Functions("http://127.0.0.1:1", tmp_path / "run", tmp_path / "logs")
    yield functions
    functions.end()


def spec(code: Path, **changes: Any) -> FunctionSpec:
    settings: dict[str, Any] = {
        "name": "f",
        "arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "handler": "app.handler",
        "seconds": 5.0,
        "memory_mb": 128,
        "log_group": "g",
        "revision": "1",
        "code": code,
    }
    return FunctionSpec(**(settings | changes))


def invocation(event: Any, seconds: float = 5.0) -> Invocation:
    return Invocation(request_id="id-1", event=json.dumps(event).encode(), function_arn="arn:f", seconds=seconds)


def call(functions: Functions, spec: FunctionSpec, event: Any = None) -> RuntimeResponse:
    return functions.call(spec, invocation(event, spec.seconds))


def document(called: RuntimeResponse) -> Any:
    return json.loads(called.body)


def test_the_error_of_a_handler_that_cannot_be_loaded_names_the_module(functions: Functions, code: Path) -> None:
    called = call(functions, spec(code, handler="broken.handler"))
    assert called.failed
    assert document(called)["errorType"] == "Runtime.ImportModuleError"
    assert "nothing_of_that_name" in document(called)["errorMessage"]


def test_a_response_above_the_lambda_limit_is_an_error(functions: Functions, code: Path) -> None:
    called = call(functions, spec(code), "big")
    assert document(called)["errorType"] == "Function.ResponseSizeTooLarge"


def test_warming_a_function_loads_its_handler_once(functions: Functions, code: Path, tmp_path: Path) -> None:
    loads = tmp_path / "loads"
    (code / "app.py").write_text(f"open({str(loads)!r}, 'a').write('once ')\n{CODE}")
    functions.warm(spec(code))
    until(loads.exists)
    assert not call(functions, spec(code)).failed
    assert loads.read_text() == "once "


def test_another_revision_runs_in_new_instances(functions: Functions, code: Path) -> None:
    first = document(call(functions, spec(code)))["pid"]
    second = document(call(functions, spec(code, revision="2")))["pid"]
    assert second != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_killed_instance_is_replaced(functions: Functions, code: Path) -> None:
    first = document(call(functions, spec(code)))["pid"]
    os.kill(first, 9)
    time.sleep(0.2)  # a kill takes effect soon, not at once
    assert document(call(functions, spec(code)))["pid"] != first


def test_calls_beyond_the_number_of_instances_wait(functions: Functions, code: Path) -> None:
    answers: list[RuntimeResponse] = []
    threads = [threading.Thread(target=lambda: answers.append(call(functions, spec(code), 0.1))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(called.failed for called in answers)
    assert len({document(called)["pid"] for called in answers}) <= max(4, os.cpu_count() or 1)


def test_each_call_returns_only_its_part_of_the_log(functions: Functions, code: Path, tmp_path: Path) -> None:
    assert call(functions, spec(code)).log == "loading\n"
    assert call(functions, spec(code)).log == ""
    assert "OddError" in call(functions, spec(code), "raise").log
    assert (tmp_path / "logs" / "f.log").read_text().startswith("loading\n")


@pytest.fixture(params=["plain", "awslambdaric"])
def runtime(request: pytest.FixtureRequest, code: Path) -> Iterator[RuntimeApi]:
    """A process that runs ``app.handler`` with either runtime."""
    if request.param == "awslambdaric":
        pytest.importorskip("awslambdaric", reason="awslambdaric has wheels only for Linux")
        start = (
            "from awslambdaric import bootstrap, lambda_runtime_client as c; bootstrap.run(H, c.LambdaRuntimeClient(A))"
        )
    else:
        start = "from pipeline.local.handlers import plain_runtime; plain_runtime.run(H, A)"
    api = RuntimeApi()
    environment = {
        "PYTHONPATH": f"{code}:{ROOT}",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "g",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
    }
    script = f"H, A = 'app.handler', {api.address!r}\n{start}"
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        yield api
        process.kill()
    api.close()


def test_both_runtimes_give_the_same_response(runtime: RuntimeApi) -> None:
    runtime.submit(invocation(0))
    answer = runtime.responses.get(timeout=10)
    assert not answer.failed
    assert json.loads(answer.body)["arn"] == "arn:f"
    assert json.loads(answer.body)["id"] == "id-1"


def test_both_runtimes_name_the_class_of_an_error(runtime: RuntimeApi) -> None:
    runtime.submit(invocation("raise"))
    answer = runtime.responses.get(timeout=10)
    assert answer.failed
    assert (json.loads(answer.body)["errorType"], json.loads(answer.body)["errorMessage"]) == ("OddError", "so odd")
