"""Exceptions that are not classes of the pipeline end a command with one sentence, too."""

from __future__ import annotations

import errno
import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from pipeline.cli.terminal.faults import describe_fault
from tests.unit.cli.conftest import Stage

ROW = json.dumps({"width": 1.5, "colour": "red"})


WRITES_MUCH = """
import typer
from pipeline.cli.terminal.console import print_json
from pipeline.cli.terminal.exit_codes import GuardedGroup

app = typer.Typer(cls=GuardedGroup)
app.callback()(lambda: None)

@app.command()
def write():
    for _ in range(2_000):
        print_json(["x" * 1_000])

app()
"""


def _raise(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def _fail_with(stage: Stage, error: BaseException, *before: str) -> Any:
    stage.registry.models_page = _raise(error)  # type: ignore[method-assign]
    return stage.run(*before, "models")


def _polars_error() -> Exception:
    try:
        pl.DataFrame({"a": [1]}).select("b")
    except pl.exceptions.PolarsError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "houses.csv"), "'houses.csv' is not there"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "data"), "'data' is a folder"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), "'a/b'"),
        (PermissionError(errno.EACCES, "Permission denied", "houses.csv"), "'houses.csv' cannot be read or written"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EIO, "Input/output error", b"x.csv"), "'x.csv': input/output error"),
        (gzip.BadGzipFile("Not a gzipped file"), "damaged or truncated"),
        (zipfile.BadZipFile("no"), "damaged or truncated"),
        (EOFError("Compressed file ended"), "damaged or truncated"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UTF-8"),
        (json.JSONDecodeError("Expecting value", "{", 1), "line 1, column 2"),
        (MemoryError(), "does not have enough memory"),
        (ModuleNotFoundError("No module named 'PIL'", name="PIL"), "'PIL' is not installed"),
        (httpx.ReadError("gone"), "unexpected ReadError: gone"),
        (KeyError("StateMachineArn"), "unexpected KeyError"),
        (ValueError("first\nsecond"), "unexpected ValueError: first"),
        (_polars_error(), "unexpected ColumnNotFoundError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_exception_ends_a_command_with_one_sentence(stage: Stage, error: Exception, message: str) -> None:
    result = _fail_with(stage, error)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_debug_prints_the_traceback(stage: Stage) -> None:
    result = _fail_with(stage, ValueError("odd"), "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "in models" in result.stderr
    assert result.stderr.rstrip().splitlines()[-1].startswith("error: unexpected ValueError: odd")


def test_debug_prints_the_traceback_of_a_pipeline_error(stage: Stage) -> None:
    result = stage.run("--debug", "promote", "m", "7")
    assert "Traceback" in result.stderr
    assert result.exit_code == 1


def test_an_unexpected_error_suggests_the_debug_option(stage: Stage) -> None:
    assert "modeldrop --debug" in _fail_with(stage, ValueError("odd")).stderr
    assert "--debug" not in _fail_with(stage, PermissionError(errno.EACCES, "no", "a")).stderr


def test_an_interrupt_exits_130_without_a_traceback(stage: Stage) -> None:
    result = _fail_with(stage, KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"predictions": []}),
        httpx.Response(200, json={"version": 1}),
        httpx.Response(500, content=b"\xff\xfe"),
        httpx.Response(502, json={"message": "Internal server error"}),
    ],
    ids=["html", "a list", "too few", "no predictions", "bytes", "a gateway's"],
)
def test_an_invalid_api_response_is_reported_in_one_sentence(stage: Stage, answer: httpx.Response) -> None:
    stage.serve()
    stage.answer = lambda body: answer
    result = stage.run("predict", "m", ROW)
    assert result.exit_code == 1
    assert f"the API answered {answer.status_code}" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [httpx.ReadTimeout("slow"), httpx.DecodingError("gzip"), httpx.InvalidURL("no")])
def test_an_api_that_does_not_respond_is_reported_in_one_sentence(stage: Stage, error: Exception) -> None:
    stage.serve()
    stage.answer = _raise(error)
    result = stage.run("predict", "m", ROW)
    assert result.exit_code == 1
    assert f"did not answer ({type(error).__name__})" in result.stderr


def test_a_file_without_read_permission_is_reported_in_one_sentence(stage: Stage, tmp_path: Path) -> None:
    stage.uploads.upload = _raise(PermissionError(errno.EACCES, "Permission denied", "a.csv"))  # type: ignore[method-assign]
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    result = stage.run("drop", "--no-check", str(tmp_path / "a.csv"))
    assert result.exit_code == 1
    assert result.stderr == "error: 'a.csv' cannot be read or written: permission denied\n"


def test_a_closed_pipe_causes_no_traceback() -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES_MUCH, "write"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    with writer.stdout, writer.stderr:
        writer.stdout.readline()
        writer.stdout.close()
        assert "Traceback" not in writer.stderr.read()
    assert writer.wait(30) == 1


def test_an_error_description_is_one_line() -> None:
    assert describe_fault(RuntimeError("a\nb\nc")).count("\n") == 0
    assert describe_fault(RuntimeError()) == "unexpected RuntimeError"
