"""Ctrl-C, and `down` while runs are active, on a real terminal and in a script."""

from __future__ import annotations

import pytest

from tests.helpers.terminal import run_in_terminal
from tests.unit.cli.conftest import Stage


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("arguments", [("watch", "demo_m_1"), ("watch", "m")])
def test_an_interrupted_watch_says_that_the_run_continues_and_exits_130(
    stage: Stage, arguments: tuple[str, ...]
) -> None:
    stage.on_sleep = _interrupt
    run = stage.begin()
    result = stage.run(*arguments)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == f"the run continues: 'modeldrop watch {run}' follows it again"
    assert "Aborted" not in result.output


def test_an_interrupted_log_exits_130(stage: Stage) -> None:
    stage.on_sleep = _interrupt
    result = stage.run("logs", stage.begin(), "--follow")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "interrupted"
    assert "Aborted" not in result.output


def test_ctrl_c_on_a_terminal_exits_130_with_one_sentence() -> None:
    screen = run_in_terminal("running", "watch", "demo_churn_1", keys="\x03", after="validate")
    assert screen.exit_code == 130
    assert "the run continues: 'modeldrop watch demo_churn_1' follows it again" in screen.text
    assert "Aborted" not in screen.text
    assert "Traceback" not in screen.text


def test_down_on_a_terminal_asks_for_confirmation_while_runs_are_active() -> None:
    refused = run_in_terminal("running", "down", keys="n\n", after="[y/N]")
    assert refused.exit_code == 1
    assert "demo_churn_1" in refused.text
    assert "demo_churn_2" in refused.text
    assert "nothing was stopped" in refused.text
    accepted = run_in_terminal("running", "down", keys="y\n", after="[y/N]")
    assert accepted.exit_code == 0
    assert "ended the run demo_churn_1" in accepted.text


def test_ctrl_c_at_a_prompt_exits_130_and_prints_interrupted() -> None:
    screen = run_in_terminal("running", "down", keys="\x03", after="[y/N]")
    assert screen.exit_code == 130
    asked, *rest = [line for line in screen.lines if line]
    assert "demo_churn_1" in screen.text
    assert "End them? [y/N]" in screen.text.replace("\n", " ")
    assert " ".join([asked, *rest]).endswith("interrupted")
    assert "Aborted" not in screen.text


def test_down_in_a_script_lists_the_runs_that_were_ended(stage: Stage) -> None:
    run, ended = stage.begin("demo_m_1"), stage.begin("demo_m_2")
    stage.runs.succeed(ended, 1)
    output = stage.run("down").stderr
    assert f"ended the run {run}" in output
    assert ended not in output
    assert stage.control.calls == [("down", False)]


def test_down_without_runs_asks_nothing(stage: Stage) -> None:
    ended = stage.begin()
    stage.runs.succeed(ended, 1)
    assert stage.run("down").stderr == "stopped\n"


def test_down_with_yes_does_not_ask() -> None:
    screen = run_in_terminal("running", "down", "--yes")
    assert screen.exit_code == 0
    assert "[y/N]" not in screen.text
