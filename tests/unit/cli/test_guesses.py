"""Guessed command names, shell completion, and export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.cli.terminal.guesses import ALIASES, POINTERS
from tests.unit.cli.conftest import DOWN, Stage

COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # it is a group


@pytest.mark.parametrize("guess", ["list", "ls"])
def test_list_and_ls_list_the_models(stage: Stage, guess: str) -> None:
    stage.serve("houses")
    assert stage.run(guess).stdout == stage.run("models").stdout
    assert stage.json(guess, "--json")[0]["model"] == "houses"


@pytest.mark.parametrize("guess", ["init"])
def test_a_command_that_does_not_exist_points_to_one_that_does(stage: Stage, guess: str) -> None:
    result = stage.run(guess, "houses")
    assert result.exit_code == 2
    assert "modeldrop" in POINTERS[guess]
    assert " ".join(POINTERS[guess].split()[:4]) in " ".join(result.stderr.replace("│", " ").split())
    assert "Invalid value" not in result.stderr


def test_every_alias_leads_to_an_existing_command() -> None:
    assert set(ALIASES.values()) <= set(COMMANDS)
    assert not (set(ALIASES) | set(POINTERS)) & set(COMMANDS)


def test_a_misspelled_command_suggests_the_nearest(stage: Stage) -> None:
    result = stage.run("modles")
    assert result.exit_code == 2
    assert "Did you mean 'models'" in result.stderr


def test_export_writes_the_live_versions_file(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage.serve("houses")
    stage.serve("houses", live=False)
    assert stage.run("export", "houses").exit_code == 0
    assert (tmp_path / "houses-1.onnx").read_bytes() == b"onnx"
    document = stage.json("export", "houses", "2", "-o", "other.onnx", "--json")
    assert (document["version"], document["file"]) == (2, "other.onnx")


def _complete(stage: Stage, *words: str) -> list[str]:
    environment = {"_MODELDROP_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("modeldrop", *words))}
    environment["COMP_CWORD"] = str(len(words))
    result = CliRunner().invoke(app, [], obj=stage.session, env=environment, prog_name="modeldrop")
    return str(result.stdout).split()


def _populated(stage: Stage) -> Stage:
    stage.serve("houses")
    stage.serve("houses")
    stage.serve("digits", tenant="acme")
    stage.begin("demo_houses_0", model="houses")
    return stage


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        (("card", "ho"), ["houses"]),
        (("predict", ""), ["houses"]),
        (("card", "houses", ""), ["2", "1"]),
        (("promote", "houses", ""), ["2", "1"]),
        (("card", "--tenant", "acme", ""), ["digits"]),
        (("watch", "demo_"), ["demo_houses_0"]),
        (("logs", ""), ["houses", "demo_houses_0"]),
        (("runs", "--model", "h"), ["houses"]),
        (("card", "zzz"), []),
    ],
)
def test_a_shell_completes_models_runs_and_versions(
    stage: Stage, words: tuple[str, ...], completions: list[str]
) -> None:
    assert _complete(_populated(stage), *words) == completions


def test_a_shell_completes_nothing_and_shows_no_error_when_no_stack_runs(stage: Stage) -> None:
    stage.control.now = DOWN
    assert _complete(stage, "card", "") == []


def test_shell_completion_uses_the_stack_option(stage: Stage) -> None:
    _complete(_populated(stage), "--stack", "prod", "card", "")
    assert stage.choices[-1].stack == "prod"
