"""models, card, history, promote, rollback and cancel with only an API key, through the real functions."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.client.session import Choice, Dependencies, Session
from pipeline.cli.main import app
from pipeline.registry.tenants import SharedModels
from pipeline.use_cases.management.cancel_run import CancelRun
from pipeline.use_cases.management.denied_calls import DeniedCalls
from pipeline.use_cases.management.manage_registry import ManageRegistry
from pipeline.use_cases.management.model_catalog import ModelCatalog
from tests.fakes.records import card
from tests.helpers.api_requests import Api, authorized
from tests.unit.cli.conftest import Stage

URL = "https://api.example/v1"
PUBLISHER = {"principal": "ci", "permissions": "predict,publish,read"}


def _fail(*_: object) -> object:
    raise AssertionError("credentials are used")


class Remote:
    """The command, which can reach only the functions of an API; the registry is that of a stage."""

    def __init__(self, stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
        self.stage = stage
        self.authorizer = dict(PUBLISHER)
        self.describe, self.manage = Api("describe_models", capsys), Api("manage_registry", capsys)
        table = stage.runs._table
        self.describe.give(
            catalog=ModelCatalog(stage.registry, stage.artifacts, stage.runs),
            denied=DeniedCalls(lambda: stage.audit),
        )
        cancel = CancelRun(runs=stage.runs, executions=stage.executions)
        manager = ManageRegistry(registry=stage.registry, cancel=cancel, sharing=SharedModels(table), audit=stage.audit)
        self.manage.give(manager_of=lambda tenant: manager)

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-api-key"] == "md_key"
        reads = request.method == "GET"
        query = {name: request.url.params.get_list(name) for name in request.url.params}
        event = authorized(
            "describe_models" if reads else "manage_registry",
            self.authorizer,
            path=request.url.path.removeprefix("/v1"),
            httpMethod=request.method,
            body=request.content.decode() or None,
            queryStringParameters={name: values[-1] for name, values in query.items()},
            multiValueQueryStringParameters=query,
        )
        with redirect_stdout(StringIO()):  # what a function prints is its metrics
            response = (self.describe if reads else self.manage).call(event)
        return httpx.Response(response["statusCode"], text=response["body"])

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["--api-url", URL, "--api-key", "md_key", *arguments], obj=self._session)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def _session(self, choice: Choice) -> Session:
        dependencies = Dependencies(
            control=None,  # type: ignore[arg-type]  # no embedded cloud is asked
            connect=_fail,  # type: ignore[arg-type]
            site=_fail,  # type: ignore[arg-type]
            transport=httpx.MockTransport(self.answer),
            sleep=lambda _: None,
        )
        return Session(choice=choice, dependencies=dependencies)


@pytest.fixture
def remote(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Remote:
    for _ in range(2):
        version = stage.serve()
        stage.artifacts.put(version.card_key, card(version.lineage.run).to_bytes())
    return Remote(stage, capsys)


@pytest.mark.parametrize(
    "command",
    [("models",), ("history", "m"), ("history", "m", "--alias", "live", "--limit", "1"), ("card", "m"),
     ("card", "m", "1"), ("models", "--task", "regression"), ("history", "m", "--at", "2020-01-01T00:00")],
)  # fmt: skip
def test_a_command_prints_the_same_with_a_key_as_with_credentials(remote: Remote, command: tuple[str, ...]) -> None:
    assert remote.json(*command) == remote.stage.json(*command, "--json")
    shown, expected = remote.run(*command), remote.stage.run(*command)
    assert (shown.exit_code, shown.stdout) == (0, expected.stdout)


def test_a_model_without_a_live_version_is_listed_and_its_newest_card_is_shown(remote: Remote) -> None:
    version = remote.stage.serve("idle", live=False)
    remote.stage.artifacts.put(version.card_key, card(version.lineage.run).to_bytes())
    listed = {model["model"]: (model["tenant"], model["live"]) for model in remote.json("models")}
    assert listed["idle"] == ("demo", None)
    assert remote.json("card", "idle")["version"] == 1


def test_an_alias_is_moved_and_rolled_back_with_its_reason(remote: Remote) -> None:
    back = remote.json("rollback", "m", "--reason", "errors", "--expected", "2")
    assert (back["tenant"], back["version"], back["previous_version"]) == ("demo", 1, 2)
    again = remote.json("promote", "m", "2", "--reason", "repaired", "--expected", "1")
    assert (again["alias"], again["version"], again["previous_version"]) == ("live", 2, 1)
    assert [(move["by"], move["reason"]) for move in remote.json("history", "m")[:2]] == [
        ("ci", "repaired"),
        ("ci", "errors"),
    ]
    remote.json("promote", "m", "1", "--alias", "canary")
    assert remote.json("models")[0]["aliases"] == {"live": 2, "canary": 1}


def test_a_run_that_waits_for_promotion_succeeds_when_its_version_is_promoted(remote: Remote) -> None:
    version = remote.stage.serve(live=False)
    run = remote.stage.begin(version.lineage.run)
    remote.stage.runs.await_promotion(run, version.version, "a limit is missed")
    remote.json("promote", "m", str(version.version))
    assert remote.stage.runs.get(run).status == "SUCCEEDED"


def test_cancel_accepts_the_name_of_a_model(remote: Remote) -> None:
    run = remote.stage.begin("demo_m_00000000000b")
    document = remote.json("cancel", "m")
    assert (document["run"], document["status"], document["error"]["message"]) == (run, "FAILED", "canceled by ci")
    assert remote.stage.executions.stopped == {run: "canceled by ci"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("promote", "m", "2", "--expected", "1"), 1, "points to version 2, not to version 1"),
        (("promote", "m", "9"), 1, "has no version 9"),
        (("rollback", "none"), 1, "none"),
        (("history", "none"), 1, "there is no model 'none'"),
        (("card", "none"), 1, "there is no model 'none'"),
        (("card", "m", "9"), 1, "has no version 9"),
        (("cancel", "none"), 1, "no run or model 'none'"),
        (("promote", "m", "1", "--canary", "10"), 2, "--canary and --shadow need the embedded cloud or --stack"),
    ],
)
def test_the_error_message_of_the_api_is_printed(
    remote: Remote, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = remote.run(*arguments)
    assert result.exit_code == code
    assert words in " ".join(result.stderr.replace("│", " ").split())


def test_a_reader_may_list_models_but_not_promote(remote: Remote) -> None:
    remote.authorizer["permissions"] = "read"
    assert remote.json("models")
    result = remote.run("promote", "m", "1")
    assert (result.exit_code, "permission 'publish'" in result.stderr) == (1, True)
