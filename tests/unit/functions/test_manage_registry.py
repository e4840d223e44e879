"""manage_registry: the changes and refusals of every route."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.contracts.ports import PutRequest
from pipeline.intake.run_log import RunLog
from pipeline.registry.aliases import AliasRef
from pipeline.registry.audit import AuditedTable, AuditLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.tenants import SharedModels, TenantAdministration
from pipeline.use_cases.management.cancel_run import CancelRun
from pipeline.use_cases.management.manage_registry import ManageRegistry
from tests.fakes.executions import FakeExecutions
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.table import FakeTable
from tests.helpers.api_requests import Api, authorized
from tests.helpers.template import api_routes
from tests.unit.registry.registering import LIVE, make_registry, register_ready

OWNER = {"principal": "ci", "permissions": "manage,predict,publish,read"}
RUN = "demo_adult_00000000000a"
ALIAS, ROLLBACK = "/registry/models/adult/aliases/live", "/registry/models/adult/rollback"
GRANTS = "/registry/models/adult/grants"
VERSION, CANCEL = "/registry/models/adult/versions/1", f"/registry/runs/{RUN}/cancel"


class World:
    """The function over a registry with versions 1 to 3 of adult, the second one live after the first."""

    def __init__(self, api: Api) -> None:
        table = AuditedTable(FakeTable())
        self.api = api
        self.registry: ModelRegistry = make_registry(table)
        register_ready(self.registry, 3)
        for version in (1, 2):
            self.registry.aliases.move(LIVE, version, by="anna")
        self.runs, self.executions, self.audit = RunLog(table), FakeExecutions(), AuditLog(table)
        self.runs.create(RUN, tenant="demo", model="adult", file="a.csv", started_at=datetime.now(UTC))
        cancel = CancelRun(runs=self.runs, executions=self.executions)
        self.tenants = TenantAdministration(table, FakeGatewayKeys())
        for tenant in ("demo", "acme"):
            self.tenants.create(tenant)
        sharing = SharedModels(table)
        manager = ManageRegistry(registry=self.registry, cancel=cancel, sharing=sharing, audit=self.audit)
        api.give(manager_of=lambda tenant: manager)

    def call(
        self, method: str, path: str, body: object = None, authorizer: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        text = body if isinstance(body, str) else None if body is None else json.dumps(body)
        document = authorized(
            "manage_registry", {**OWNER, **(authorizer or {})}, path=path, httpMethod=method, body=text
        )
        return self.api.ask(document)

    @property
    def live(self) -> int | None:
        return self.registry.aliases.version(LIVE)


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str]) -> World:
    return World(Api("manage_registry", capsys))


def test_an_alias_is_moved_with_its_reason(world: World) -> None:
    status, body = world.call("PUT", ALIAS, {"version": 3, "reason": "better", "expected": 2})
    assert (status, world.live) == (200, 3)
    assert (body["alias"], body["version"], body["previous"], body["reason"], body["by"]) == (
        "live", 3, 2, "better", "ci",
    )  # fmt: skip


def test_moving_an_alias_to_its_current_version_changes_nothing(world: World) -> None:
    status, body = world.call("PUT", ALIAS, {"version": 2})
    assert (status, body["previous"], len(world.registry.moves.list("demo", "adult"))) == (200, 2, 2)


@pytest.mark.parametrize("expected", [1, None])
def test_an_alias_at_an_unexpected_version_is_a_409_with_the_current_version(
    world: World, expected: int | None
) -> None:
    status, body = world.call("PUT", ALIAS, {"version": 3, "expected": expected})
    assert (status, body["current"], world.live) == (409, 2, 2)
    assert "version 2" in body["error"]


def test_a_new_alias_may_be_required_not_to_exist(world: World) -> None:
    path = ALIAS.replace("live", "canary")
    assert world.call("PUT", path, {"version": 3, "expected": None})[0] == 200
    assert world.call("PUT", path, {"version": 3, "expected": None})[0] == 409
    assert world.registry.aliases.version(AliasRef("demo", "adult", "canary")) == 3


def test_a_rollback_returns_to_the_previous_version(world: World) -> None:
    status, body = world.call("POST", ROLLBACK, {"reason": "errors"})
    assert (status, body["version"], body["previous"], world.live) == (200, 1, 2, 1)
    assert world.call("POST", ROLLBACK)[0] == 409  # there is none before


def test_a_version_is_deleted_and_can_be_restored(world: World) -> None:
    status, body = world.call("DELETE", VERSION)
    assert (status, body["status"]) == (200, "DELETED")
    assert datetime.fromisoformat(body["restorable_until"]).tzinfo is not None
    assert world.registry.lifecycle.restore("demo", "adult", 1).status == "READY"


def test_a_live_version_is_not_deleted(world: World) -> None:
    status, body = world.call("DELETE", VERSION.replace("/1", "/2"))
    assert status == 409
    assert "'live'" in body["error"]


def test_a_run_is_canceled_with_its_execution(world: World) -> None:
    status, body = world.call("POST", CANCEL)
    assert (status, body["status"], body["error"]["type"]) == (200, "FAILED", "RunCanceledError")
    assert world.executions.stopped == {RUN: "canceled by ci"}
    assert world.call("POST", CANCEL)[0] == 200  # again: nothing more happens


def test_an_ended_run_is_not_canceled(world: World) -> None:
    world.runs.succeed(RUN, 1)
    assert world.call("POST", CANCEL)[0] == 409
    assert world.executions.stopped == {}


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (("PUT", ALIAS, {"version": 3}, {"permissions": "predict,read"}), 403),
        (("POST", ROLLBACK, None, {"permissions": "predict,read"}), 403),
        (("DELETE", VERSION, None, {"permissions": "predict,publish,read"}), 403),
        (("POST", CANCEL, None, {"permissions": "read"}), 403),
        (("PUT", ALIAS, {"version": 3}, {"models": "houses"}), 404),
        (("POST", CANCEL, None, {"models": "houses"}), 404),
        (("PUT", ALIAS, {"version": 3}, {"tenant": ""}), 401),
        (("PUT", ALIAS, {"version": 9}, {}), 404),
        (("PUT", ALIAS, {"version": 3}, {"tenant": "acme"}), 404),
        (("POST", CANCEL, None, {"tenant": "acme"}), 404),
        (("POST", "/registry/runs/demo_adult_000000000000/cancel", None, {}), 404),
        (("PUT", ALIAS.replace("live", "7"), {"version": 3}, {}), 400),
        (("PUT", ALIAS, {"version": "3"}, {}), 400),
        (("PUT", ALIAS, {"version": 0}, {}), 400),
        (("PUT", ALIAS, {}, {}), 400),
        (("PUT", ALIAS, {"version": 3, "why": "x"}, {}), 400),
        (("PUT", ALIAS, {"version": 3, "reason": "x" * 501}, {}), 400),
        (("PUT", ALIAS, "[", {}), 400),
        (("PUT", ALIAS, None, {}), 400),
        (("DELETE", VERSION.replace("/1", "/x"), None, {}), 404),
        (("DELETE", "/registry/nothing", None, {}), 404),
    ],
)
def test_a_refused_request_has_an_error_status_and_changes_nothing(
    world: World, call: tuple[str, str, object, dict[str, Any]], status: int
) -> None:
    got, document = world.call(*call)
    assert (got, set(document) - {"current"}) == (status, {"error"})
    assert (world.live, world.runs.get(RUN).status) == (2, "RUNNING")
    assert "demo" not in document["error"] or call[3].get("tenant") != "acme"


def test_changes_and_denied_calls_are_in_the_audit_log(world: World) -> None:
    world.call("PUT", ALIAS, {"version": 3})
    world.call("DELETE", VERSION, authorizer={"permissions": "read"})
    entries = {(entry.action, entry.resource, entry.outcome) for entry in world.audit.list(tenant="demo")}
    assert entries == {("move alias", "adult@3 live", "allowed"), ("delete", "adult@1", "denied")}
    assert {entry.principal for entry in world.audit.list(tenant="demo")} == {"ci"}


def test_a_model_is_shared_listed_and_revoked(world: World) -> None:
    assert world.call("PUT", f"{GRANTS}/acme") == (200, {"model": "adult", "tenant": "acme", "role": "predictor"})
    assert world.call("PUT", f"{GRANTS}/acme", {"role": "reader"})[0] == 200
    entry = {"model": "adult", "tenant": "acme", "role": "reader"}
    assert world.call("GET", GRANTS) == (200, {"grants": [entry]})
    stored = world.tenants.get("acme")
    assert stored is not None
    assert stored.shared == {"demo/adult": "reader"}
    assert world.call("DELETE", f"{GRANTS}/acme") == (200, entry | {"role": None})
    assert world.call("GET", GRANTS) == (200, {"grants": []})
    actions = [(shared.action, shared.resource) for shared in world.audit.list(tenant="demo")]
    assert actions == [
        ("revoke share", "adult acme"), ("share", "adult acme reader"), ("share", "adult acme predictor")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (f"{GRANTS}/demo", None, 400, "its own tenant"),
        (f"{GRANTS}/acme", {"role": "owner"}, 400, "predictor or reader"),
        (f"{GRANTS}/acme", {"roles": "reader"}, 400, "roles"),
        (f"{GRANTS}/nobody", None, 404, "no tenant 'nobody'"),
        (f"{GRANTS}/A%20b", None, 400, "tenant"),
        ("/registry/models/houses/grants/acme", None, 404, "no model 'houses'"),
    ],
)
def test_an_invalid_share_is_refused(world: World, path: str, body: object, status: int, words: str) -> None:
    answered, document = world.call("PUT", path, body)
    assert (answered, words in document["error"]) == (status, True)
    assert world.tenants.grants("demo") == {}


def test_a_suspended_owner_cannot_share(world: World) -> None:
    world.tenants.suspend("demo")
    assert world.call("PUT", f"{GRANTS}/acme")[0] == 409


CHANGES: dict[str, tuple[str, object]] = {  # by method and template: a path and a body that change something
    "PUT /registry/models/{model}/aliases/{alias}": (ALIAS, {"version": 3}),
    "POST /registry/models/{model}/rollback": (ROLLBACK, None),
    "DELETE /registry/models/{model}/versions/{version}": ("/registry/models/adult/versions/3", None),
    "POST /registry/runs/{run}/cancel": (CANCEL, None),
    "PUT /registry/models/{model}/grants/{tenant}": (f"{GRANTS}/acme", None),
    "DELETE /registry/models/{model}/grants/{tenant}": (f"{GRANTS}/acme", None),
}


def test_the_audit_tests_cover_every_route_that_changes_something() -> None:
    routes = api_routes("ManageRegistryFunction")
    assert {route for route in routes if not route.startswith(("GET ", "OPTIONS "))} == set(CHANGES)


@pytest.mark.parametrize("route", CHANGES)
def test_each_change_and_each_denied_one_is_in_the_audit_log(world: World, route: str) -> None:
    path, body = CHANGES[route]
    if route.startswith("DELETE") and "grants" in route:
        world.tenants.share("demo", "adult", "acme", "reader")
    status, _ = world.call(
        route.split(maxsplit=1)[0], path, body, {"permissions": "predict,read", "principal": "jwt:eve"}
    )
    assert status == 403
    assert world.call(route.split(maxsplit=1)[0], path, body)[0] == 200
    allowed, denied = world.audit.list(tenant="demo")
    assert (allowed.principal, allowed.outcome, allowed.action) == ("ci", "allowed", denied.action)
    assert (denied.principal, denied.outcome, denied.reason) == ("jwt:eve", "denied", "ForbiddenError")


@pytest.mark.parametrize("route", CHANGES)
def test_every_change_is_written_with_its_audit_entry(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    """The first transaction of each route contains the audit entry: if it fails, neither is written."""
    path, body = CHANGES[route]
    transactions: list[set[str]] = []
    written = FakeTable.write_all

    def remember(table: FakeTable, writes: Any) -> bool:
        transactions.append({write.item["pk"] if isinstance(write, PutRequest) else write.key[0] for write in writes})
        return written(table, writes)

    world = World(Api("manage_registry", capsys))
    if route.startswith("DELETE") and "grants" in route:
        world.tenants.share("demo", "adult", "acme", "reader")
    monkeypatch.setattr(FakeTable, "write_all", remember)
    assert world.call(route.split(maxsplit=1)[0], path, body)[0] == 200
    assert "AUDIT#demo" in transactions[0]
    assert len(transactions[0]) > 1
    assert all("AUDIT#demo" not in later for later in transactions[1:])
