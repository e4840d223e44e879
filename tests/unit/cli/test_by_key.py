"""drop and watch with nothing but an API key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.client.session import Choice, Session, World
from pipeline.cli.main import app
from pipeline.contracts.object_keys import run_name
from pipeline.contracts.records.run import Run, RunError
from pipeline.serving.api.messages import Caller
from tests.helpers.upload_api import KEY, URL, UploadApi

ROWS = "a,b,y\n" + "".join(f"{i},{'xyz'[i % 3]},{'pq'[i % 2]}\n" for i in range(60))
RUN = run_name("demo", "m", "uploads", "demo/m/rows.csv", "v1")


def _fail(*_: object) -> object:
    raise AssertionError("credentials are used")


class Command:
    """The command, with the API as all that it can reach."""

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
        world = World(
            control=None,  # type: ignore[arg-type]  # no embedded cloud is asked
            connect=_fail,  # type: ignore[arg-type]
            site=_fail,  # type: ignore[arg-type]
            transport=httpx.MockTransport(self.api.answer),
            sleep=lambda _: None,
        )
        return Session(choice=choice, world=world)


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


def test_what_its_run_would_refuse_is_not_uploaded(command: Command, rows: Path) -> None:
    result = command.run("drop", str(rows), "--model", "m", "--target", "price")
    assert result.exit_code == 1
    assert "nothing was uploaded" in result.output
    assert command.api.objects == {}


def test_a_folder_of_images_goes_as_a_zip_and_part_files_do_not(command: Command, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "part-0.csv").write_text(ROWS)
    result = command.run("drop", str(parts))
    assert result.exit_code == 2
    assert "part files" in result.output


def test_refusals_are_in_the_words_of_the_api(command: Command, rows: Path) -> None:
    command.api.caller = Caller("demo")
    result = command.run("drop", str(rows), "--model", "m", "--no-watch")
    assert result.exit_code == 1
    assert "publish" in result.output
    result = command.run("drop", str(rows), key=None)
    assert "--api-key" in result.output
