"""A stack of fakes for the real command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer.testing
from typer.testing import CliRunner

from pipeline.cli.client.session import Choice, Connection, Dependencies, DeploymentSite, Session
from pipeline.cli.main import app
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.model_version import Lineage, ModelVersion
from pipeline.contracts.records.outcome import Trial
from pipeline.contracts.records.variant import Artifact, CandidateReport, LeaderboardRow, Selection, Variant
from pipeline.contracts.signature import Column, Signature
from pipeline.contracts.stack import DEFAULT_STACK, StackStatus
from pipeline.intake.dead_letters import DeadLetters
from pipeline.intake.run_log import RunLog
from pipeline.registry.aliases import AliasRef
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.audit import AuditLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.tenants import TenantAdministration
from tests.fakes.account import FakeAccount, FakeData, FakeStack, RecordedCommands
from tests.fakes.executions import FakeExecutions
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import MODEL_BYTES, artifact
from tests.fakes.table import FakeTable

ROOT = Path(__file__).parents[3]
# A runner builds the tree of all commands for each call, which takes longer than most commands.
typer.testing._get_command = cache(typer.testing._get_command)
UP = StackStatus(
    running=True,
    embedded=True,
    endpoint_url="http://127.0.0.1:4566",
    region="us-east-1",
    uploads_bucket="uploads",
    artifacts_bucket="artifacts",
    api_url="http://127.0.0.1:4566/api",
    tenant="demo",
)
DOWN = StackStatus(running=False, embedded=True)
SIGNATURE = Signature(
    task="classification",
    target="kind",
    columns=(Column(name="width", kind="numeric"), Column(name="colour", kind="categorical")),
    classes=("no", "yes"),
)


@dataclass
class FakeControl:
    """Fake control of the embedded cloud; ``calls`` records the calls."""

    running: StackStatus
    now: StackStatus = UP
    stopped: StackStatus = DOWN
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def up(
        self,
        *,
        home: Path | None,
        bind: str,
        foreground: bool,
        parameters: Mapping[str, str] | None = None,
        report: Callable[[str], None],
    ) -> StackStatus:
        self.calls.append(("up", bind, foreground, *(f"{name}={value}" for name, value in (parameters or {}).items())))
        report("starting")
        self.now = self.running
        return self.now

    def down(self, *, home: Path | None, wipe: bool) -> bool:
        self.calls.append(("down", wipe))
        was, self.now = self.now.running, self.stopped
        return was

    def status(self, *, home: Path | None) -> StackStatus:
        return self.now


@dataclass(frozen=True)
class FakeLine:
    timestamp: datetime
    group: str
    message: str


@dataclass
class FakeLogs:
    written: list[FakeLine] = field(default_factory=list)

    def lines(self, run: str, *, since: datetime | None = None) -> Sequence[FakeLine]:
        return [line for line in self.written if run in line.message]


class Stage:
    """A fake stack and the command that uses it; ``on_sleep`` changes the stack while the command sleeps."""

    def __init__(self) -> None:
        table = FakeTable()
        self.uploads, self.artifacts = FakeObjectStore("uploads"), FakeObjectStore("artifacts")
        self.runs, self.registry, self.keys = RunLog(table), ModelRegistry(table, self.artifacts), ApiKeys(table)
        self.gateway_keys = FakeGatewayKeys()
        self.tenants, self.audit = TenantAdministration(table, self.gateway_keys), AuditLog(table)
        self.executions = FakeExecutions()
        self.logs = FakeLogs()
        self.dead_letters: tuple[DeadLetters, ...] = ()
        self.account, self.stack, self.data = FakeAccount(), FakeStack(), FakeData()
        self.commands = RecordedCommands()
        self.key = self.keys.create("demo")
        up = replace(UP, api_key=self.key)
        self.control = FakeControl(running=up, now=up)
        self.requests: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], httpx.Response] = self.say_yes
        self.on_sleep: Callable[[], None] = lambda: None
        self.choices: list[Choice] = []

    @property
    def rows_sent(self) -> list[dict[str, Any]]:
        """Rows of all requests."""
        return [row for request in self.requests for row in request["rows"]]

    def run(self, *arguments: str, stdin: str | None = None) -> Any:
        return CliRunner().invoke(app, list(arguments), obj=self.session, input=stdin)

    def json(self, *arguments: str) -> Any:
        """Run the command and parse its stdout as JSON."""
        return json.loads(self.run(*arguments).stdout)

    def begin(self, run: str = "demo_m_1", *, tenant: str = "demo", model: str = "m") -> str:
        self.runs.create(run, tenant=tenant, model=model, file="m.csv", started_at=datetime.now(UTC))
        return run

    def select(self, run: str) -> None:
        self.artifacts.put(RunKeys(run).selection, selection().to_bytes())

    def serve(
        self,
        model: str = "m",
        *,
        tenant: str = "demo",
        live: bool = True,
        signature: Signature = SIGNATURE,
        variant: str = "",
    ) -> ModelVersion:
        """Register a version, and promote it if ``live``."""
        file = artifact(tenant)
        self.artifacts.put_if_absent(file.key, MODEL_BYTES)
        run = f"{tenant}_{model}_{len(self.registry.versions.list(tenant, model))}"
        draft = _draft(tenant, model, run, file)
        version = self.registry.register(draft.model_copy(update={"signature": signature, "variant": variant}))
        version = self.registry.ready(tenant, model, version.version)
        if live:
            self.registry.aliases.move(AliasRef(tenant, model), version.version, by=run)
        return version

    @staticmethod
    def say_yes(body: dict[str, Any]) -> httpx.Response:
        prediction = {"label": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
        return httpx.Response(200, json={"model": "m", "version": 1, "predictions": [prediction] * len(body["rows"])})

    def session(self, choice: Choice) -> Session:
        self.choices.append(choice)
        dependencies = Dependencies(
            control=self.control,
            connect=self._connect,
            site=self._site,
            transport=httpx.MockTransport(self._handle),
            sleep=lambda seconds: self.on_sleep(),
        )
        return Session(choice=choice, dependencies=dependencies)

    def _connect(self, choice: Choice, embedded: StackStatus | None) -> Connection:
        return Connection(
            status=embedded or replace(UP, embedded=False, endpoint_url=None),
            uploads=self.uploads,
            artifacts=self.artifacts,
            runs=self.runs,
            registry=self.registry,
            keys=self.keys,
            tenants=self.tenants,
            audit=self.audit,
            executions=self.executions,
            logs=self.logs,
            dead_letters=lambda: self.dead_letters,
        )

    def _site(self, choice: Choice) -> DeploymentSite:
        self.account.region = choice.region or self.account.region
        return DeploymentSite(
            name=choice.stack or DEFAULT_STACK,
            account=self.account,
            stack=lambda: self.stack,
            data=self.data,
            commands=self.commands,
            folder=ROOT,
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.requests.append({"url": str(request.url), "key": request.headers["x-api-key"], **body})
        return self.answer(body)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr("modeldrop.calls._FIRST_WAIT", 0.0)
    return Stage()


def selection() -> Selection:
    """A network that won as int8, and a forest that has no int8."""
    artifact = Artifact(key="k", sha256="a" * 64, bytes=12_345)
    winner = Variant(
        candidate="mlp",
        algorithm="mlp",
        precision="int8",
        status="ok",
        artifact=artifact,
        quality={"accuracy": 0.975},
        interval={"accuracy": (0.961, 0.984)},
        train_seconds=12.3,
        agreement=0.998,
        latency_us=41.0,
    )
    none = Variant(
        candidate="random_forest",
        algorithm="random_forest",
        precision="int8",
        status="not_applicable",
        reason="trees have no matrices",
    )
    rows = (
        LeaderboardRow(rank=1, variant=winner, on_front=True, winner=True),
        LeaderboardRow(rank=None, variant=none),
    )
    trials = (
        Trial(settings={"hidden": (64,), "dropout": 0.25}, quality=0.97512, seconds=2, status="best"),
        Trial(settings={"hidden": (8,), "dropout": 0.5}, quality=0.5, seconds=1, status="dropped", reason="behind"),
    )
    tried = (
        CandidateReport(
            candidate="mlp", algorithm="mlp", status="trained", reason="a network", trials=trials, notes=("short",)
        ),
        CandidateReport(candidate="linear", algorithm="linear", status="dropped", reason="far behind on 4,000 rows"),
        CandidateReport(candidate="one", algorithm="one", status="skipped", reason="too few rows"),
        CandidateReport(candidate="two", algorithm="two", status="skipped", reason="too few rows"),
    )
    return Selection(
        metric="accuracy",
        winner=winner,
        leaderboard=rows,
        reason="the best accuracy on the front",
        tried=tried,
        notes=("a job has 12 minutes",),
    )


def _draft(tenant: str, model: str, run: str, file: Artifact) -> ModelVersion:
    lineage = Lineage(
        run=run,
        upload_bucket="uploads",
        upload_key=f"{tenant}/{model}/m.csv",
        upload_version_id="v1",
        upload_sha256="b" * 64,
        spec_sha256="c" * 64,
        code_version="test",
    )
    return ModelVersion(
        tenant=tenant,
        model=model,
        version=1,
        algorithm="mlp",
        precision="int8",
        artifact=file,
        signature=SIGNATURE,
        metric="accuracy",
        quality={"accuracy": 0.95},
        lineage=lineage,
        card_key="card",
        created_at=datetime.now(UTC),
    )
