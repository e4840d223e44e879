"""The log of a job has the messages of the pipeline, and of a library only that it logged something."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from pipeline.jobs.runtime.logs import log_to_stdout


@contextmanager
def job_log() -> Iterator[None]:
    """Log as a job does within the block, and restore the logging of the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    log_to_stdout(run="demo_adult_000000000001", job="cpu")
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers, root.level = handlers, level


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def library(name: str, source: str) -> None:
    """Run code as a file of an installed package."""
    path = f"/usr/lib/python3/site-packages/{name}/module.py"
    exec(compile(source, path, "exec"), vars(ModuleType(name)))


def test_lines_of_the_pipeline_have_the_run_and_their_message(capsys: pytest.CaptureFixture[str]) -> None:
    with job_log():
        logging.getLogger("pipeline.jobs.train").info("candidate trained", extra={"candidate": "mlp"})
    (line,) = logged(capsys)
    assert (line["message"], line["candidate"], line["run"]) == ("candidate trained", "mlp", "demo_adult_000000000001")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import logging; logging.warning('Anna, 1987')", "onnxruntime logged a warning"),
        ("import logging; logging.getLogger('onnxruntime.tools').error('Anna, 1987')", "onnxruntime logged an error"),
        ("import logging; logging.log(35, 'Anna, 1987')", "onnxruntime logged an error"),
        ("import warnings; warnings.warn('Anna, 1987', stacklevel=1)", "onnxruntime logged a warning"),
    ],
)
def test_the_name_of_a_library_is_logged_without_its_message(
    source: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(), job_log():
        warnings.simplefilter("always")
        library("onnxruntime", source)
    (line,) = logged(capsys)
    assert str(line["message"]).startswith(message)
    assert "Anna" not in json.dumps(line)


def test_a_hint_about_quantization_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with job_log():
        logging.warning("Please consider to run pre-processing before quantization. Refer to example: ...")
    assert logged(capsys) == []
