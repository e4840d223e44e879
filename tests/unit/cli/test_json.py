"""--json: one document on stdout for every command, in the shape that the page of the command line shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LinearRegression
from typer.main import get_command

from pipeline.cli.main import app
from pipeline.contracts.account import StackState
from pipeline.contracts.object_keys import RunKeys
from pipeline.intake.dead_letters import uploads
from tests.fakes.account import STACK_ID
from tests.fakes.messages import FakeMessages
from tests.fakes.records import artifact, card, upload
from tests.helpers.variant_reports import GOLDEN, VARIANT_REPORTS
from tests.unit.cli.conftest import DOWN, FakeLine, Stage, selection

ROOT = Path(__file__).parents[3]
EXAMPLE = str(ROOT / "docs" / "examples" / "wohnungen.csv")
PAGE = (ROOT / "docs" / "command_line.md").read_text()
SHAPES = {name: json.loads(text) for name, text in re.findall(r"```json ([a-z -]+)\n(.*?)```", PAGE, flags=re.DOTALL)}
ROW = '{"width": 1.5, "colour": "red"}'


def _list_dead_letters(stage: Stage) -> list[str]:
    stage.dead_letters = (uploads(FakeMessages(), FakeMessages()),)
    return []


def _destroy(stage: Stage) -> list[str]:
    stage.stack.current = StackState(id=STACK_ID, status="CREATE_COMPLETE")
    return ["--yes"]


def _serve_twice(stage: Stage) -> list[str]:
    stage.serve()
    return ["m"]


def _serve_idle(stage: Stage) -> list[str]:
    stage.serve(live=False)
    return ["m", "2"]


def _keep_variants(stage: Stage) -> list[str]:
    document = card("demo_m_0").model_copy(update={"leaderboard": VARIANT_REPORTS})
    stage.artifacts.put("card", document.to_bytes())
    return ["m"]


def _keep_upload(stage: Stage) -> list[str]:
    stage.uploads.put("demo/m/m.csv", b"a,b")
    version = stage.uploads.head("demo/m/m.csv").version_id
    stored = upload().model_copy(update={"key": "demo/m/m.csv", "version_id": version})
    stage.artifacts.put(RunKeys("demo_m_1").upload, stored.to_bytes())
    return ["demo_m_1"]


def _serve_for_sharing(stage: Stage) -> str:
    stage.serve("shared")
    return "shared"


def _create_tenant(stage: Stage) -> list[str]:
    stage.tenants.create("acme")
    return []


def _leave_orphan(stage: Stage) -> list[str]:
    run, file = stage.begin("demo_gone_3", model="gone"), artifact(body=b"a file of a version that is gone")
    winner = selection().winner.model_copy(update={"artifact": file})
    stage.artifacts.put(file.key, b"a file of a version that is gone")
    stage.artifacts.put(RunKeys(run).selection, selection().model_copy(update={"winner": winner}).to_bytes())
    stage.runs.succeed(run, 3)
    return ["demo"]


def _audited(stage: Stage) -> list[str]:
    stage.audit.add("promote", "m@1", caller=("demo", "anna"))
    return []


def _keep_golden(stage: Stage) -> list[str]:
    stage.artifacts.put(RunKeys("demo_m_0").golden, GOLDEN.to_bytes())
    return ["m"]


def _train_elsewhere(stage: Stage) -> list[str]:
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), "line.joblib")
    Path("rows.csv").write_text("x\n0.5\n")
    return ["line.joblib", "--sample", "rows.csv"]


def _keep_selection(stage: Stage) -> list[str]:
    run = stage.begin("demo_m_2")
    stage.select(run)
    stage.runs.await_promotion(run, 1, "a limit is missed")
    return [run]


COMMANDS: dict[str, Callable[[Stage], list[str]]] = {
    "up": lambda stage: [],
    "down": lambda stage: [],
    "deploy": lambda stage: ["--check-only"],
    "destroy": _destroy,
    "status": lambda stage: [],
    "drop": lambda stage: [EXAMPLE, "--no-watch"],
    "runs": lambda stage: [],
    "watch": lambda stage: ["demo_m_1"],
    "logs": lambda stage: ["demo_m_1"],
    "cancel": lambda stage: [stage.begin("demo_m_2")],
    "retry": _keep_upload,
    "check": lambda stage: [EXAMPLE],
    "dead-letters": _list_dead_letters,
    "models": lambda stage: [],
    "predict": lambda stage: ["m", ROW],
    "promote": lambda stage: ["m", "1"],
    "rollback": _serve_twice,
    "history": lambda stage: ["m"],
    "diff": lambda stage: ["m", "1", "1"],
    "tag": lambda stage: ["m", "team=pricing"],
    "archive": _serve_idle,
    "delete": _serve_idle,
    "undelete": _serve_idle,
    "export": lambda stage: ["m"],
    "convert": _train_elsewhere,
    "variants": _keep_variants,
    "verify": _keep_golden,
    "accept": _keep_selection,
    "keys list": lambda stage: [],
    "keys create": lambda stage: ["acme"],
    "keys rotate": lambda stage: [stage.keys.list(None)[0].prefix],
    "share": lambda stage: [_serve_for_sharing(stage), *(_create_tenant(stage) or []), "acme"],
    "tenants list": _create_tenant,
    "tenants create": lambda stage: ["acme"],
    "tenants suspend": lambda stage: [*_create_tenant(stage), "acme"],
    "tenants resume": lambda stage: [*_create_tenant(stage), "acme"],
    "tenants delete": lambda stage: [*_create_tenant(stage), "acme", "--yes"],
    "tenants orphans": _leave_orphan,
    "audit": _audited,
    "keys revoke": lambda stage: [stage.keys.list(None)[0].prefix],
}


def _names() -> set[str]:
    names = set()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        nested = getattr(command, "commands", None)
        names |= {f"{name} {own}" for own in nested} if nested else {name}
    return names


def test_every_command_except_demo_has_json_and_is_tested() -> None:
    elsewhere = {"serve", "bench"}  # tests/unit/server: serve prints one JSON line when it is ready
    assert set(COMMANDS) | {"card", "demo"} | elsewhere == _names()


def _keys(document: Any) -> set[str]:
    return set(document[0] if isinstance(document, list) else document)


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_one_document_in_the_documented_shape(
    stage: Stage, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage.serve()
    stage.logs.written.append(FakeLine(datetime.now(UTC), "g", "a line of demo_m_1"))
    stage.runs.succeed(stage.begin(), 1)
    result = stage.run(*command.split(), *COMMANDS[command](stage), "--json")
    assert result.exit_code == 0, result.stderr
    document, shape = json.loads(result.stdout), SHAPES[command]
    assert type(document) is type(shape)
    assert _keys(document) == _keys(shape)


def test_a_card_as_json_has_version_and_live(stage: Stage) -> None:
    stage.artifacts.put(stage.serve().card_key, card("demo_m_0").to_bytes())
    assert {"version", "live", "test_quality", "warnings"} <= set(stage.json("card", "m", "--json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("card", "none"),
        ("watch", "none"),
        ("predict", "none", ROW),
        ("promote", "none", "1"),
        ("keys", "create", "No_Tenant"),
        ("drop", "none.csv"),
        ("nonsense",),
    ],
)
def test_an_error_with_json_is_a_document_on_stdout(stage: Stage, arguments: tuple[str, ...]) -> None:
    result = stage.run(*arguments, "--json")
    assert result.exit_code in (1, 2)
    assert set(json.loads(result.stdout)) == set(SHAPES["error"])
    assert result.stderr


LOCAL = {"up", "down", "deploy", "destroy", "status", "check", "convert"}  # they need no stack


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - LOCAL | {"card"}))
def test_without_a_stack_json_is_an_error_document(stage: Stage, command: str) -> None:
    arguments = COMMANDS[command](stage) if command in COMMANDS else ["m"]
    stage.control.now = DOWN
    result = stage.run(*command.split(), *arguments, "--json")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert set(document) == set(SHAPES["error"])
    assert document["type"] == "NotRunningError"


@pytest.mark.parametrize("command", [*COMMANDS, "card", "demo"])
def test_a_usage_error_with_json_is_an_error_document(stage: Stage, command: str) -> None:
    result = stage.run(*command.split(), "--no-such-option", "--json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert set(document) == set(SHAPES["error"])
    assert document["type"] == "UsageError"
    assert "--no-such-option" in document["error"]


@pytest.mark.parametrize("arguments", [("--no-such-option", "status"), ("check", ""), ("--stack",)])
def test_a_usage_error_before_the_command_is_an_error_document(stage: Stage, arguments: tuple[str, ...]) -> None:
    result = stage.run(*arguments, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["type"] == "UsageError"


def test_an_error_of_logs_is_one_json_line(stage: Stage) -> None:
    (line,) = stage.run("logs", "none", "--json").stdout.splitlines()
    assert set(json.loads(line)) == set(SHAPES["error"])


def test_an_interrupted_watch_prints_an_error_document(stage: Stage) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    stage.on_sleep = interrupt
    result = stage.run("watch", stage.begin(), "--json")
    assert result.exit_code == 130
    assert json.loads(result.stdout)["type"] == "Interrupted"


def test_without_json_an_error_leaves_stdout_empty(stage: Stage) -> None:
    assert stage.run("card", "none").stdout == ""


def test_drop_with_no_watch_prints_the_run_and_the_watch_command(stage: Stage) -> None:
    result = stage.run("drop", EXAMPLE, "--no-watch")
    run = result.stdout.strip()
    assert f"'modeldrop watch {run}' follows the run" in result.stderr
    document = stage.json("drop", EXAMPLE, "--no-watch", "--json")
    assert (document["status"], document["model"]) == ("PENDING", "wohnungen")
    assert document["run"].startswith("demo_wohnungen_")


def test_a_dropped_companion_is_stored_and_has_no_run(stage: Stage, tmp_path: Path) -> None:
    companion = tmp_path / "test.csv"
    companion.write_text("a,b\n1,2\n")
    document = stage.json("drop", str(companion), "--model", "m", "--no-check", "--json")
    assert (document["run"], document["status"]) == (None, "STORED")
