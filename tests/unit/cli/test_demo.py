"""The demo on a stack of fakes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.contracts.object_keys import run_name
from pipeline.contracts.records.run import RunError
from pipeline.contracts.signature import Column, Signature
from tests.unit.cli.conftest import DOWN, UP, Stage

PIXELS = tuple(Column(name=f"pixel_{row}_{column}", kind="numeric") for row in range(8) for column in range(8))
DIGITS = Signature(task="classification", target="digit", columns=PIXELS, classes=tuple("0123456789"))


def _succeed(stage: Stage, run: str, model: str) -> None:
    stage.select(run)
    stage.serve(model, signature=DIGITS)
    stage.runs.succeed(run, 1)


def _works(stage: Stage, end: Callable[[Stage, str, str], object]) -> Callable[[], None]:
    """Start a run for each new file while the command sleeps, and end the run."""

    def work() -> None:
        known = {run.run for run in stage.runs.list()}
        for key in stage.uploads.keys("demo/"):
            tenant, model, file = key.split("/")
            run = run_name(tenant, model, "uploads", key, stage.uploads.head(key).version_id)
            if file != "train.yaml" and run not in known:
                stage.begin(run, model=model)
                end(stage, run, model)

    return work


@pytest.fixture
def begins(stage: Stage, tmp_path: Path) -> Stage:
    """A stack that is down, and processes uploads once it is up."""
    stage.control.running = replace(UP, api_key=stage.key, home=tmp_path)
    stage.control.now = DOWN
    stage.on_sleep = _works(stage, _succeed)
    return stage


def test_the_demo_starts_the_cloud_and_serves_two_models(begins: Stage) -> None:
    result = begins.run("demo")
    assert result.exit_code == 0, result.stderr
    assert begins.control.calls == [("up", "127.0.0.1", False)]
    assert {model.model for model in begins.registry.models("demo")} == {"digits", "digits-int8"}
    assert "modeldrop down" in result.stderr


@pytest.mark.parametrize("on_path", [True, False])
def test_the_demo_prints_the_activate_command_unless_modeldrop_is_on_the_path(
    begins: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: bool
) -> None:
    command = tmp_path / "bin" / "modeldrop"
    command.parent.mkdir()
    command.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(command.parent) if on_path else "")
    monkeypatch.setattr("sys.base_prefix", "/usr")
    monkeypatch.setattr("sys.prefix", "/opt/environment")
    lines = begins.run("demo").stderr.splitlines()
    activation = [line for line in lines if line.startswith("  . /opt/environment/bin/activate ")]
    assert len(activation) == (0 if on_path else 1)
    assert any(line.startswith("  modeldrop check FILE ") for line in lines)


def test_the_demo_uploads_settings_for_mlp_before_the_second_drop(begins: Stage) -> None:
    begins.run("demo")
    assert b"[mlp]" in begins.uploads.get("demo/digits-int8/train.yaml")
    settings, data = (
        begins.uploads.head("demo/digits-int8/train.yaml"),
        begins.uploads.head("demo/digits-int8/digits.csv"),
    )
    assert settings.version_id < data.version_id


def test_the_demo_predicts_held_out_rows_with_both_models(begins: Stage, tmp_path: Path) -> None:
    begins.run("demo")
    dropped = begins.uploads.get("demo/digits/digits.csv").decode().splitlines()
    held_out = (tmp_path / "demo" / "held_out.csv").read_text().splitlines()
    assert len(dropped) - 1 + len(held_out) - 1 == 1797
    assert sum(len(request["rows"]) for request in begins.requests) == 2 * 180


def test_the_demo_prints_a_curl_command_with_an_existing_request_file(begins: Stage) -> None:
    lines = [line for line in begins.run("demo").stdout.splitlines() if line.startswith("curl")]
    words = shlex.split(lines[-1])
    assert f"x-api-key:{begins.key}" in words
    assert "http://127.0.0.1:4566/api/v2/models/digits-int8/infer" in words
    assert json.loads(Path(words[-1].removeprefix("@")).read_text())["rows"]


def test_down_with_wipe_deletes_the_files_of_the_demo(begins: Stage, tmp_path: Path) -> None:
    begins.run("demo")
    begins.control.stopped = replace(DOWN, home=tmp_path)
    begins.run("down")
    assert (tmp_path / "demo").exists()
    begins.run("down", "--wipe")
    assert not (tmp_path / "demo").exists()


def test_the_demo_exits_with_the_error_of_a_failed_run(begins: Stage) -> None:
    error = RunError(type="JobCrashedError", message="killed")
    begins.on_sleep = _works(begins, lambda stage, run, model: stage.runs.fail(run, error))
    result = begins.run("demo")
    assert result.exit_code == 1
    assert "killed (JobCrashedError)" in result.stderr
