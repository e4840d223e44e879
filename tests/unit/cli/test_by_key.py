"""drop, watch, runs and predict with only an API key."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.client.session import Choice, Dependencies, Session
from pipeline.cli.main import app
from pipeline.contracts.object_keys import run_name
from pipeline.contracts.records.run import Run, RunError
from pipeline.serving.api.messages import Caller
from tests.helpers.upload_api import KEY, URL, UploadApi
from tests.unit.cli.conftest import SIGNATURE, Stage

ROWS = "a,b,y\n" + "".join(f"{i},{'xyz'[i % 3]},{'pq'[i % 2]}\n" for i in range(60))
RUN = run_name("demo", "m", "uploads", "demo/m/rows.csv", "v1")


def _fail(*_: object) -> object:
    raise AssertionError("credentials are used")


class Command:
    """The command, which can reach only the API."""

    def __init__(self) -> None:
        self.api = UploadApi()
        self.sleeps = 0

    def run(self, *arguments: str, key: str | None = KEY) -> Result:
        keyed = ["--api-key", key] if key else []
        return CliRunner().invoke(app, ["--api-url", URL, *keyed, *arguments], obj=self._session)

    def answer_with(self, *runs: Run) -> None:
        queue = list(runs)

        def get(path: str) -> httpx.Response:
            assert path == f"/v1/registry/runs/{RUN}"
            return httpx.Response(200, json=(queue.pop(0) if queue[1:] else queue[0]).model_dump(mode="json"))

        self.api.get = get

    def _session(self, choice: Choice) -> Session:
        dependencies = Dependencies(
            control=None,  # type: ignore[arg-type]  # no embedded cloud is asked
            connect=_fail,  # type: ignore[arg-type]
            site=_fail,  # type: ignore[arg-type]
            transport=httpx.MockTransport(self.api.answer),
            sleep=lambda _: None,
        )
        return Session(choice=choice, dependencies=dependencies)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("MODELDROP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MODELDROP_API_KEY", raising=False)
    return Command()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def record(status: str, **changes: object) -> Run:
    return Run.model_validate(
        {"run": RUN, "tenant": "demo", "model": "m", "file": "rows.csv", "status": status, "stages": [],
         "started_at": datetime.now(UTC), **changes}
    )  # fmt: skip


def test_a_file_is_dropped_with_its_settings(command: Command, rows: Path, tmp_path: Path) -> None:
    spec = tmp_path / "quick.yaml"
    spec.write_text("algorithms: [linear]\n")
    result = command.run("drop", str(rows), "--model", "m", "--target", "y", "--spec", str(spec), "--no-watch")
    assert (result.exit_code, result.stdout.strip()) == (0, RUN), result.output
    assert list(command.api.objects) == ["demo/m/train.yaml", "demo/m/rows.csv"]
    assert command.api.grants.metadata["demo/m/rows.csv"]["target"] == "y"


def test_a_run_is_watched_to_its_end(command: Command, rows: Path) -> None:
    command.answer_with(record("RUNNING"), record("RUNNING"), record("SUCCEEDED", version=3))
    result = command.run("drop", str(rows), "--model", "m")
    assert result.exit_code == 0
    assert "version 3" in result.output
    command.answer_with(record("FAILED", error=RunError(type="TooFewRowsError", message="too few rows")))
    result = command.run("watch", RUN)
    assert result.exit_code == 1
    assert "too few rows" in result.output
    command.answer_with(record("NEEDS_DECISION", version=4, reason="too slow"))
    assert command.run("watch", RUN, "--json").exit_code == 4


def test_a_file_that_the_run_would_refuse_is_not_uploaded(command: Command, rows: Path) -> None:
    result = command.run("drop", str(rows), "--model", "m", "--target", "price")
    assert result.exit_code == 1
    assert "nothing was uploaded" in result.output
    assert command.api.objects == {}


def test_a_folder_of_part_files_is_refused(command: Command, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "part-0.csv").write_text(ROWS)
    result = command.run("drop", str(parts))
    assert result.exit_code == 2
    assert "part files" in result.output


def test_a_drop_without_permission_or_key_says_what_is_missing(command: Command, rows: Path) -> None:
    command.api.caller = Caller("demo")
    result = command.run("drop", str(rows), "--model", "m", "--no-watch")
    assert result.exit_code == 1
    assert "publish" in result.output
    result = command.run("drop", str(rows), key=None)
    assert "--api-key" in result.output


def _answers(pages: dict[str, dict[str, Any]]) -> Callable[[str], httpx.Response]:
    def get(path: str) -> httpx.Response:
        page = pages.get(path.removeprefix("/v1"))
        return httpx.Response(404, json={"error": "no such thing"}) if page is None else httpx.Response(200, json=page)

    return get


def test_watch_of_a_model_shows_the_newest_run_and_refuses_an_unknown_name_at_once(command: Command) -> None:
    ended = record("SUCCEEDED", version=3).model_dump(mode="json")
    command.api.get = _answers({f"/registry/runs/{RUN}": ended, "/registry/runs": {"runs": [ended]}})
    result = command.run("watch", "m")
    assert (result.exit_code, "version 3" in result.output) == (0, True), result.output
    command.api.get = _answers({"/registry/runs": {"runs": []}})
    result = command.run("watch", "m")
    assert result.exit_code == 1
    assert "no run or model 'm'" in result.output
    assert "waiting" not in result.output
    assert f"{RUN} has not begun" in command.run("watch", RUN).output


def test_runs_are_listed_and_shown(command: Command) -> None:
    failed = record("FAILED", error=RunError(type="TooFewRowsError", message="too few rows")).model_dump(mode="json")
    refused = {"key": "demo/rows.csv", "reason": "no model", "at": datetime.now(UTC).isoformat()}
    pages = {"/registry/runs": {"runs": [failed]}, "/registry/rejected": {"rejected": [refused]}}
    command.api.get = _answers(pages | {f"/registry/runs/{RUN}": failed})
    listed = json.loads(command.run("runs", "--json").stdout)
    assert {entry["status"] for entry in listed} == {"FAILED", "REJECTED"}
    assert json.loads(command.run("runs", "--status", "succeeded", "--json").stdout) == []
    assert "too few rows" in command.run("runs", RUN).output


def _prediction_api(asked: list[str]) -> Callable[[httpx.Request], httpx.Response]:
    """An API that describes a model and predicts one row; ``asked`` records the requests."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.method == "GET":
            return httpx.Response(200, json={"name": "m", "signature": SIGNATURE.to_dict()})
        rows = json.loads(request.content)["rows"]
        assert rows == [{"width": 4, "colour": "red"}]
        return httpx.Response(200, json={"model": "m", "version": 2, "predictions": [{"label": "yes"}]})

    return answer


@pytest.mark.parametrize("stack", [["--stack", "mine"], []], ids=["stack", "embedded cloud"])
def test_predict_with_a_token_reads_the_signature_from_the_api_of_the_stack(stage: Stage, stack: list[str]) -> None:
    asked: list[str] = []
    stage._handle = _prediction_api(asked)  # type: ignore[method-assign]
    result = stage.run(*stack, "--token", "a.b.c", "predict", "m", '{"width": 4, "colour": "red"}', "--json")
    assert json.loads(result.stdout)["predictions"] == [{"label": "yes"}], result.output
    assert asked == ["GET /api/v2/models/m", "POST /api/v2/models/m/infer"]


def test_predict_reads_rows_by_the_signature_from_the_api(command: Command) -> None:
    asked: list[str] = []
    command.api.answer = _prediction_api(asked)  # type: ignore[method-assign]  # the uploads' API predicts nothing
    for arguments, name in ((["m"], "m"), (["acme/m"], "acme/m"), (["m", "--tenant", "acme"], "acme/m")):
        result = command.run("predict", arguments[0], '{"width": 4, "colour": "red"}', "--json", *arguments[1:])
        assert json.loads(result.stdout)["predictions"] == [{"label": "yes"}], result.output
        assert asked[-2:] == [f"GET /v1/v2/models/{name}", f"POST /v1/v2/models/{name}/infer"]


def test_a_shared_model_without_a_description_is_reported_with_the_client_call(
    command: Command,
) -> None:
    command.api.get = lambda path: httpx.Response(404, json={"error": "there is no such route"})
    result = command.run("predict", "acme/m", '{"width": 4}')
    assert result.exit_code == 1
    assert "the API does not describe 'acme/m'" in result.output
    assert "Client().predict" in result.output


def test_a_command_that_needs_more_than_a_key_says_so(stage: Stage) -> None:
    stage.control.now = stage.control.stopped
    result = stage.run("--api-url", URL, "--api-key", KEY, "variants", "m")
    assert result.exit_code == 3
    assert "variants' needs the embedded cloud ('modeldrop up') or --stack" in result.output
    assert "drop, watch, runs, cancel, predict, models, card, history, promote and rollback" in result.output


def test_errors_about_the_key_name_the_option_and_the_required_role(command: Command, rows: Path) -> None:
    sentence = "the API key is unknown, expired or revoked: send a valid one in the header x-api-key"
    command.api.get = lambda path: httpx.Response(401, json={"error": sentence})
    output = command.run("watch", RUN).output
    assert "unknown, expired or revoked: give a valid one with --api-key or MODELDROP_API_KEY" in output
    command.api.caller = Caller("demo")
    output = command.run("drop", str(rows), "--model", "m", "--no-watch").output
    assert "(role publisher or owner)" in output
