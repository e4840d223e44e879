"""keys with roles, tenants, audit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.errors import NotFoundError, UnauthenticatedError
from tests.unit.cli.conftest import Stage


def test_a_key_has_a_role_models_and_an_expiry_and_its_tenant_a_gateway_key(stage: Stage) -> None:
    created = stage.json(
        "keys", "create", "acme", "--role", "publisher", "--model", "m", "--model", "n", "--expires", "9", "--json"
    )
    assert created["role"] == "publisher"
    principal = stage.keys.resolve(created["api_key"])
    assert (principal.permissions, principal.models) == (("predict", "publish", "read"), ("m", "n"))
    (listed,) = stage.json("keys", "list", "--tenant", "acme", "--json")
    remaining = datetime.fromisoformat(listed["valid_until"]) - datetime.now(UTC)
    assert timedelta(days=8) < remaining <= timedelta(days=9)
    assert set(stage.gateway_keys.keys) == {"acme"}


@pytest.mark.parametrize("command", ["keys", "tenants"])
def test_a_list_has_all_entries_or_the_newest_up_to_the_limit(stage: Stage, command: str) -> None:
    for number in range(5):
        stage.run("keys", "create", f"t{number}")
    listed = stage.json(command, "list", "--json")
    assert [entry["tenant"] for entry in listed[:5]] == ["t4", "t3", "t2", "t1", "t0"]
    assert stage.json(command, "list", "--limit", "3", "--json") == listed[:3]


def test_an_unknown_role_creates_nothing(stage: Stage) -> None:
    result = stage.run("keys", "create", "acme", "--role", "root")
    assert result.exit_code == 1
    assert "reader, predictor, publisher, owner" in result.stderr
    assert (stage.keys.list("acme"), stage.gateway_keys.keys) == ([], {})


def test_a_rotated_key_stays_valid_unless_the_overlap_is_0(stage: Stage) -> None:
    rotated = stage.json("keys", "rotate", stage.key[:11], "--json")
    assert stage.keys.resolve(rotated["api_key"]).tenant == stage.keys.resolve(stage.key).tenant == "demo"
    assert stage.run("keys", "rotate", stage.key[:11], "--overlap", "0").exit_code == 0
    with pytest.raises(UnauthenticatedError):
        stage.keys.resolve(stage.key)


def test_tenants_are_created_suspended_resumed_and_listed(stage: Stage) -> None:
    assert stage.json("tenants", "create", "acme", "--tier", "premium", "--json")["tier"] == "premium"
    assert stage.json("tenants", "suspend", "acme", "--json")["status"] == "SUSPENDED"
    listed = stage.run("tenants", "list").stdout
    assert "suspended" in listed
    assert stage.tenants.list()[0].gateway_key not in listed + json.dumps(stage.json("tenants", "list", "--json"))
    assert stage.json("tenants", "resume", "acme", "--json")["status"] == "ACTIVE"
    assert stage.run("tenants", "create", "acme").exit_code == 1


def test_deleting_a_tenant_deletes_only_the_data_of_that_tenant(stage: Stage) -> None:
    stage.tenants.create("acme")
    stage.serve("m", tenant="acme")
    stage.serve("m")
    stage.keys.create("acme")
    stage.begin("acme_m_1", tenant="acme")
    stage.uploads.put("acme/m/m.csv", b"a,b")
    assert stage.run("tenants", "delete", "acme").exit_code == 130  # no answer to the question
    document = stage.json("tenants", "delete", "acme", "--yes", "--json")
    assert (document["keys"], document["objects"]) == (1, 2)
    assert stage.executions.stopped.keys() == {"acme_m_1"}
    assert [model.tenant for model in stage.registry.models()] == ["demo"]
    assert stage.registry.versions.list("acme", "m") == []
    assert [*stage.uploads.keys("acme/"), *stage.artifacts.keys("tenants/acme/")] == []
    with pytest.raises(NotFoundError):
        stage.runs.get("acme_m_1")
    assert stage.keys.resolve(stage.key).tenant == "demo"
    assert stage.run("tenants", "delete", "acme", "--yes").exit_code == 1


def test_deleting_a_tenant_stops_all_active_runs_and_stays_in_the_audit_log(stage: Stage) -> None:
    stage.tenants.create("acme")
    runs = {stage.begin(f"acme_m_{number}", tenant="acme") for number in range(205)}
    stage.runs.succeed("acme_m_7", 1)
    assert stage.run("tenants", "delete", "acme", "--yes").exit_code == 0
    assert stage.executions.stopped.keys() == runs - {"acme_m_7"}
    for arguments in ([], ["--tenant", "_"]):
        (entry,) = stage.json("audit", "--json", *arguments)
        assert (entry["tenant"], entry["action"], entry["resource"]) == ("_", "tenants delete", "acme")
    assert stage.run("tenants", "delete", "acme", "--yes").exit_code == 1
    assert len(stage.json("audit", "--json")) == 1


def test_changes_are_in_the_audit_log(stage: Stage) -> None:
    stage.serve()
    stage.serve()
    stage.run("rollback", "m")
    stage.run("promote", "m", "2", "--alias", "canary")
    stage.run("tag", "m", "team=a")
    stage.run("keys", "create", "acme")
    entries = stage.json("audit", "--json")
    assert {(entry["tenant"], entry["action"]) for entry in entries} == {
        ("demo", "rollback"), ("demo", "promote"), ("demo", "tag"), ("acme", "keys create"),
    }  # fmt: skip
    assert [entry["action"] for entry in stage.json("audit", "--tenant", "acme", "--json")] == ["keys create"]
    assert "m@2 canary" in stage.run("audit").stdout
    assert "no changes" in stage.run("audit", "--tenant", "none").stderr


def test_a_model_is_shared_listed_and_revoked(stage: Stage) -> None:
    stage.serve("houses")
    stage.tenants.create("acme")
    assert stage.json("share", "houses", "acme", "--json") == [
        {"model": "houses", "tenant": "acme", "role": "predictor"}
    ]
    assert "acme" in stage.run("share", "houses").stdout
    assert stage.json("share", "houses", "acme", "--revoke", "--json") == []
    assert [entry.resource for entry in stage.audit.list(tenant="demo")] == [
        "houses acme revoked", "houses acme predictor",
    ]  # fmt: skip
    assert stage.run("share", "houses", "demo").exit_code == 1
    assert stage.run("share", "houses", "--revoke").exit_code == 2
    assert stage.run("share", "nothing", "acme").exit_code == 1


def test_a_deleted_tenant_shares_nothing(stage: Stage) -> None:
    stage.serve("houses")
    for tenant in ("acme", "demo"):
        stage.tenants.ensure(tenant)
    stage.run("share", "houses", "acme")
    assert stage.run("tenants", "delete", "demo", "--yes").exit_code == 0
    assert stage.tenants.grants("demo") == {}
