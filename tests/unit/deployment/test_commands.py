"""Programs run in the folder of the project, and their output is reported line by line."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.deployment.commands import Programs


def _programs(folder: Path) -> Programs:
    return Programs(folder, os.environ)


def test_each_line_of_both_streams_is_reported_and_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    finished = _programs(tmp_path).run("sh", "-c", "echo one; echo two >&2; exit 3", report=lines.append)
    assert (finished.code, lines, finished.last_line) == (3, ["one", "two"], "two")


def test_a_program_runs_in_the_folder_with_added_variables_and_its_input(tmp_path: Path) -> None:
    script = 'read line; echo "$line $MORE $(pwd)"'
    finished = _programs(tmp_path).run("sh", "-c", script, stdin="secret\n", environment={"MORE": "more"})
    assert finished.last_line == f"secret more {tmp_path.resolve()}"


def test_a_program_that_is_not_installed_is_not_found(tmp_path: Path) -> None:
    assert _programs(tmp_path).find("no-such-program") is None
    assert _programs(tmp_path).find("sh") is not None


def test_a_program_that_reads_stdin_does_not_wait(tmp_path: Path) -> None:
    assert _programs(tmp_path).run("cat").code == 0
