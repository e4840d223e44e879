"""Lists, leaderboard and card in real terminals of 80 and 120 columns, and in pipes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from pipeline.cli.terminal.console import print_result
from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.contracts.records.run import RunError
from tests.helpers.cli_scenes import LONG_RUN, PARAGRAPH
from tests.helpers.terminal import ROOT, run_in_terminal
from tests.unit.cli.conftest import Stage

COMMANDS = [
    ("failures", ("runs",)),
    ("several_models", ("models",)),
    ("several_models", ("keys", "list")),
    ("succeeded", ("watch", "houses")),
    ("with_card", ("card", "houses")),
]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(("scene", "arguments"), COMMANDS)
def test_a_list_fits_the_terminal(scene: str, arguments: tuple[str, ...], columns: int) -> None:
    screen = run_in_terminal(scene, *arguments, columns=columns)
    tables = [line for line in screen.lines if not line.startswith("rejected ")]  # a key is not broken
    assert screen.exit_code == 0
    assert max(map(len, tables)) <= columns


def test_a_narrow_leaderboard_has_fewer_columns_and_whole_words() -> None:
    narrow, wide = (run_in_terminal("succeeded", "watch", "houses", columns=columns) for columns in (80, 120))
    (header,) = (line for line in narrow.lines if line.startswith(" candidate"))
    assert header.split() == ["candidate", "precision", "accuracy", "95", "%", "one", "row", "size"]
    assert "agrees" in wide.text
    for screen in (narrow, wide):
        assert any(line.startswith(" mlp ") and "int8" in line for line in screen.lines)


@pytest.mark.parametrize("columns", [80, 40])
def test_the_name_of_a_run_stays_on_one_line_in_a_narrow_terminal(columns: int) -> None:
    screen = run_in_terminal("failures", "runs", columns=columns)
    assert sum(LONG_RUN in line for line in screen.lines) == 1


def test_addresses_and_keys_stay_on_one_line_in_a_narrow_terminal() -> None:
    lines = run_in_terminal("succeeded", "status", columns=40).lines
    (key,) = (line for line in lines if line.startswith("API key"))
    assert len(key.split()[-1]) > 40


def test_a_failed_run_is_listed_on_one_line_without_its_message() -> None:
    listed = run_in_terminal("failures", "runs", columns=120)
    assert [line.split()[-1] for line in listed.lines if "FAILED" in line] == ["InvalidTargetError"] * 2
    assert "did you mean" not in listed.text
    assert "did you mean 'survived'?" in run_in_terminal("failures", "runs", "demo_titanic_1").text


@pytest.mark.parametrize("columns", [80, 50])
def test_an_error_is_broken_between_words(columns: int) -> None:
    screen = run_in_terminal("succeeded", "card", "no such model " * 12, columns=columns)
    assert screen.text.split() == f"error: no model '{'no such model ' * 12}'; there is houses".split()
    assert max(map(len, screen.lines)) <= columns


def test_a_name_wider_than_the_terminal_is_not_broken() -> None:
    name = "a-model-whose-name-is-much-longer-than-the-line-of-this-terminal"
    assert any(name in line for line in run_in_terminal("succeeded", "card", name, columns=40).lines)


def test_a_long_log_line_wraps_between_words_with_an_indent() -> None:
    first, *others = run_in_terminal("logged", "logs", "houses").lines
    assert "latency_us=26.74 " in first + " "
    assert all(len(line) <= 80 for line in (first, *others))
    assert all(line.startswith(" " * 14) for line in others if line)
    assert " ".join(" ".join((first, *others)).split()).endswith(PARAGRAPH)


def test_a_log_in_a_pipe_has_one_line_per_record() -> None:
    (line,) = _pipe("logged", "logs", "houses", environment={}).splitlines()
    assert line.endswith(PARAGRAPH)


def _pipe(*arguments: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", "import tests.helpers.terminal as t, sys; t.start(sys.argv[1:])", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_columns_variable_is_honored_in_a_pipe() -> None:
    narrow = _pipe("succeeded", "watch", "houses", environment={"COLUMNS": "80"})
    wide = _pipe("succeeded", "watch", "houses", environment={})
    assert max(len(line.rstrip()) for line in narrow.splitlines()) <= 80
    assert "agrees" in wide
    assert "agrees" not in narrow
    assert "\x1b" not in wide


def _fitted(width: int) -> list[str]:
    table = FittedTable(
        columns=[FittedColumn(name="id"), FittedColumn(name="note", drop=1), FittedColumn(name="age", drop=2)]
    )
    table.add("x" * 20, "n" * 10, "3 days")
    table.add(Text("y" * 20))
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(table, crop=False)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(("width", "header"), [(60, "id note age"), (40, "id note"), (32, "id age"), (10, "id")])
def test_the_least_useful_columns_are_dropped_until_the_table_fits(width: int, header: str) -> None:
    lines = _fitted(width)
    assert lines[1].split() == header.split()
    assert any("x" * 20 in line for line in lines)


# ---------------------------------------------------------------- which runs


def _runs(stage: Stage) -> None:
    for number, (model, days) in enumerate((("m", 0), ("m", 3), ("other", 0), ("m", 0))):
        run = f"demo_{model}_{number}"
        began = datetime.now(UTC) - timedelta(days=days)
        stage.runs.create(run, tenant="demo", model=model, file="m.csv", started_at=began)
        if number < 2:
            stage.runs.fail(run, RunError(type="TooFewRowsError", message="few"))
        else:
            stage.runs.succeed(run, 1)


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        (("--model", "m"), {"demo_m_0", "demo_m_1", "demo_m_3"}),
        (("--status", "failed"), {"demo_m_0", "demo_m_1"}),
        (("--status", "SUCCEEDED", "--model", "m"), {"demo_m_3"}),
        (("--since", "1d"), {"demo_m_0", "demo_other_2", "demo_m_3"}),
        (("--model", "m", "--status", "failed", "--since", "1d", "--limit", "5"), {"demo_m_0"}),
        (("--since", "2000-01-01", "--limit", "1", "--model", "other"), {"demo_other_2"}),
        (("--model", "none"), set()),
    ],
)
def test_runs_are_filtered_by_model_status_and_age(stage: Stage, options: tuple[str, ...], runs: set[str]) -> None:
    _runs(stage)
    assert {run["run"] for run in stage.json("runs", *options, "--json")} == runs


@pytest.mark.parametrize("options", [("--status", "lost"), ("--since", "yesterday"), ("--since", "1x")])
def test_an_invalid_filter_is_a_usage_error(stage: Stage, options: tuple[str, ...]) -> None:
    assert stage.run("runs", *options).exit_code == 2


def test_a_filter_reaches_beyond_the_newest_runs(stage: Stage) -> None:
    stage.begin("demo_old_1", model="old")
    for number in range(30):
        stage.begin(f"demo_new_{number}", model="new")
    assert [run["run"] for run in stage.json("runs", "--model", "old", "--limit", "1", "--json")] == ["demo_old_1"]


def test_a_filter_without_matching_runs_says_so(stage: Stage) -> None:
    stage.begin()
    result = stage.run("runs", "--model", "none")
    assert (result.stdout, result.stderr) == ("", "no such runs\n")


def test_the_output_of_check_fits_the_terminal() -> None:
    screen = run_in_terminal("succeeded", "check", str(Path("docs") / "examples" / "wohnungen.csv"))
    assert max(map(len, screen.lines)) <= 80
    assert any("Düsseldorf" in line for line in screen.lines)


def test_json_is_printed_without_building_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    views: list[str] = []

    def make_view() -> str:
        views.append("made")
        return "a view"

    print_result({"a": 1}, make_view, json=True)
    assert views == []
    print_result({"a": 1}, make_view, json=False)
    assert views == ["made"]
    assert "a view" in capsys.readouterr().out
