"""up, down, status, and the root's options."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.unit.cli.conftest import DOWN, Stage

COMMANDS = [
    "up",
    "down",
    "status",
    "demo",
    "drop",
    "runs",
    "watch",
    "models",
    "promote",
    "predict",
    "export",
    "logs",
    "keys",
]


def test_status_as_json_has_the_documented_keys(stage: Stage) -> None:
    assert stage.json("status", "--json") == {
        "running": True,
        "endpoint_url": "http://127.0.0.1:4566",
        "region": "us-east-1",
        "uploads_bucket": "uploads",
        "artifacts_bucket": "artifacts",
        "api_url": "http://127.0.0.1:4566/api",
        "tenant": "demo",
        "api_key": stage.key,
    }


def test_status_of_a_stack_on_aws_has_no_api_key(stage: Stage) -> None:
    document = stage.json("--stack", "prod", "status", "--json")
    assert document["running"] is True
    assert "api_key" not in document


def test_status_exits_3_when_no_stack_runs(stage: Stage) -> None:
    stage.control.now = DOWN
    result = stage.run("status", "--json")
    assert result.exit_code == 3
    assert '"running": false' in result.stdout


@pytest.mark.parametrize("arguments", [["runs"], ["models"], ["keys", "list"], ["watch", "demo_m_1"]])
def test_a_command_that_needs_a_stack_exits_3_when_no_stack_runs(stage: Stage, arguments: list[str]) -> None:
    stage.control.now = DOWN
    result = stage.run(*arguments)
    assert result.exit_code == 3
    assert "modeldrop up" in result.stderr
    assert result.stdout == ""


def test_up_starts_in_the_background_and_prints_the_address(stage: Stage) -> None:
    stage.control.now = DOWN
    result = stage.run("up", "--bind", "127.0.0.2")
    assert result.exit_code == 0
    assert stage.control.calls == [("up", "127.0.0.2", False)]
    assert "http://127.0.0.1:4566" in result.stdout
    assert "starting" in result.stderr


def test_down_reports_whether_something_was_running(stage: Stage) -> None:
    assert "stopped" in stage.run("down", "--wipe").stderr
    assert "nothing was running" in stage.run("down").stderr
    assert stage.control.calls == [("down", True), ("down", False)]


@pytest.mark.parametrize("command", ["up", "down"])
def test_up_and_down_refuse_a_stack_on_aws(stage: Stage, command: str) -> None:
    result = stage.run("--stack", "prod", command)
    assert result.exit_code == 2
    assert stage.control.calls == []


def test_a_region_without_a_stack_is_a_usage_error(stage: Stage) -> None:
    assert stage.run("--region", "eu-west-1", "runs").exit_code == 2


def test_version_is_printed_without_a_stack() -> None:
    result: Any = Stage().run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("modeldrop ")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_page(stage: Stage, command: str) -> None:
    result = stage.run(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_help_imports_no_heavy_library() -> None:
    script = (
        "import sys\nfrom pipeline.cli.main import app\n"
        "heavy = {'pydantic', 'polars', 'numpy', 'httpx', 'botocore', 'sklearn', 'torch', 'ministack', 'onnxruntime'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
