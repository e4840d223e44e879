"""Tenants and the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.errors import ConflictError, InputError, InvalidUploadError, NotFoundError, TransientError
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.audit import AuditedTable, AuditLog
from pipeline.registry.tenants import MAX_SHARED, TenantAdministration
from tests.fakes.clock import FakeClock
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.table import FakeTable


@pytest.fixture
def gateway() -> FakeGatewayKeys:
    return FakeGatewayKeys()


@pytest.fixture
def tenants(gateway: FakeGatewayKeys) -> TenantAdministration:
    return TenantAdministration(FakeTable(), gateway)


def test_each_tenant_has_a_separate_gateway_key(tenants: TenantAdministration, gateway: FakeGatewayKeys) -> None:
    created = [tenants.create("acme", tier="premium"), tenants.create("demo")]
    assert gateway.keys == {tenant.tenant: (tenant.gateway_key, tenant.tier) for tenant in created}
    assert len({tenant.gateway_key for tenant in created}) == 2
    assert all(20 <= len(tenant.gateway_key) <= 128 for tenant in created)
    assert {tenant.tenant for tenant in tenants.list()} == {"acme", "demo"}


def test_ensure_keeps_an_existing_tenant(tenants: TenantAdministration, gateway: FakeGatewayKeys) -> None:
    created = tenants.create("acme", tier="basic")
    assert tenants.ensure("acme") == created
    with pytest.raises(ConflictError, match="acme"):
        tenants.create("acme")


def test_a_tenant_is_suspended_and_resumed(tenants: TenantAdministration) -> None:
    tenants.create("acme")
    assert tenants.suspend("acme").status == "SUSPENDED"
    assert tenants.resume("acme").status == "ACTIVE"


@pytest.mark.parametrize("change", ["suspend", "resume"])
def test_a_tenant_that_is_being_deleted_is_neither_suspended_nor_resumed(
    tenants: TenantAdministration, change: str
) -> None:
    tenants.create("acme")
    for _ in range(2):
        assert tenants.begin_removal("acme").status == "DELETED"
    with pytest.raises(ConflictError, match="tenants delete acme"):
        getattr(tenants, change)("acme")
    assert tenants.status("acme") == "DELETED"


def test_removing_a_tenant_removes_its_gateway_key(tenants: TenantAdministration, gateway: FakeGatewayKeys) -> None:
    tenants.create("acme")
    for _ in range(2):
        tenants.remove("acme")
    assert (tenants.get("acme"), gateway.keys) == (None, {})
    with pytest.raises(NotFoundError, match="acme"):
        tenants.suspend("acme")


@pytest.mark.parametrize(("arguments", "error"), [(("A b",), InvalidUploadError), (("acme", "gold"), InputError)])
def test_an_invalid_name_or_tier_creates_no_tenant(
    tenants: TenantAdministration, gateway: FakeGatewayKeys, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        tenants.create(arguments[0], tier=(*arguments, "basic")[1])
    assert (tenants.list(), gateway.keys) == ([], {})


def test_the_audit_log_lists_callers_actions_and_outcomes() -> None:
    clock = FakeClock()
    log = AuditLog(FakeTable(), now=clock)
    log.add("promote", "adult@3", caller=("demo", "anna"))
    clock.pass_seconds(86400)
    log.add("delete", "adult@2", caller=("demo", "ci"), outcome="denied", reason="ForbiddenError")
    log.add("promote", "houses@1", caller=("acme", "bert"))

    def shown(**options: Any) -> list[tuple[str, str, str, str]]:
        return [(entry.tenant, entry.principal, entry.action, entry.outcome) for entry in log.list(**options)]

    denied, allowed = ("demo", "ci", "delete", "denied"), ("demo", "anna", "promote", "allowed")
    assert shown(tenant="demo") == [denied, allowed]
    assert shown(tenant="demo", limit=1) == [denied]
    assert set(shown()) == {denied, allowed, ("acme", "bert", "promote", "allowed")}
    assert shown()[-1] == allowed
    log.delete_all("demo")
    assert shown(tenant="demo") == []


def test_a_model_is_shared_changed_and_revoked(tenants: TenantAdministration) -> None:
    tenants.create("demo")
    tenants.create("acme")
    tenants.share("demo", "houses", "acme", "reader")
    tenants.share("demo", "shop.1", "acme", "predictor")
    tenants.share("demo", "houses", "acme", "predictor")
    stored = tenants.get("acme")
    assert stored is not None
    assert stored.shared_permissions == {"demo/houses": ("predict", "read"), "demo/shop.1": ("predict", "read")}
    assert tenants.grants("demo", "houses") == {("houses", "acme"): "predictor"}
    for model in ("houses", "shop.1"):
        tenants.share("demo", model, "acme", None)
    assert tenants.grants("demo") == {}
    tenants.share("demo", "houses", "acme", "reader")  # after all were revoked
    assert tenants.grants("demo") == {("houses", "acme"): "reader"}


def test_invalid_shares_are_refused(tenants: TenantAdministration) -> None:
    tenants.create("demo")
    tenants.create("acme")
    with pytest.raises(InputError, match="its own tenant"):
        tenants.share("acme", "houses", "acme", "predictor")
    with pytest.raises(InputError, match="predictor or reader"):
        tenants.share("demo", "houses", "acme", "owner")
    with pytest.raises(NotFoundError):
        tenants.share("demo", "houses", "nobody", "predictor")
    with pytest.raises(NotFoundError, match="not shared"):
        tenants.share("demo", "houses", "acme", None)
    for number in range(MAX_SHARED):
        tenants.share("demo", f"m{number}", "acme", "predictor")
    with pytest.raises(ConflictError, match="the maximum"):
        tenants.share("demo", "houses", "acme", "predictor")


class _Failing(FakeTable):
    """A table whose transactions fail after a while."""

    def write_all(self, writes: Any) -> bool:
        if len(writes) > 1:
            raise TransientError("the table is gone")
        return super().write_all(writes)


def test_a_change_and_its_audit_entry_are_one_transaction() -> None:
    stored = FakeTable()
    table = AuditedTable(stored)
    log, keys = AuditLog(table), ApiKeys(table)
    tenants = TenantAdministration(table, FakeGatewayKeys())
    with log.record_change("tenants create", "acme", caller=("acme", "anna")):
        tenants.create("acme")
    with log.record_change("keys create", "ci predictor", caller=("acme", "anna")):
        keys.create("acme")
    with log.record_change("promote", "adult@3", caller=("acme", "anna")):
        pass  # nothing to change: it was there already
    assert [entry.action for entry in log.list(tenant="acme")] == ["promote", "keys create", "tenants create"]


def test_a_change_that_cannot_be_logged_is_not_made() -> None:
    table = _Failing()
    audited = AuditedTable(table)
    with pytest.raises(TransientError), AuditLog(audited).record_change("keys create", "ci", caller=("acme", "anna")):
        ApiKeys(audited).create("acme")
    assert ApiKeys(table).list() == []
    assert AuditLog(table).list(tenant="acme") == []


def test_a_call_that_fails_before_a_change_has_no_audit_entry() -> None:
    table = AuditedTable(FakeTable())
    log, tenants = AuditLog(table), TenantAdministration(table, FakeGatewayKeys())
    with pytest.raises(NotFoundError), log.record_change("tenants suspend", "acme", caller=("acme", "anna")):
        tenants.suspend("acme")
    assert log.list(tenant="acme") == []
    ApiKeys(table).create("acme")  # a later change takes no entry along
    assert log.list(tenant="acme") == []


def test_a_removed_tenant_loses_shares_in_both_directions(tenants: TenantAdministration) -> None:
    for name in ("acme", "demo", "shop"):
        tenants.create(name)
    tenants.share("acme", "houses", "demo", "reader")
    tenants.share("shop", "adult", "acme", "reader")
    tenants.suspend("acme")
    with pytest.raises(ConflictError, match="suspended"):
        tenants.share("acme", "adult", "demo", "reader")
    for _ in range(2):
        tenants.forget_grants("acme")
    tenants.remove("acme")
    tenants.create("acme")
    stored = [tenants.get(name) for name in ("acme", "demo")]
    assert [tenant.shared for tenant in stored if tenant] == [{}, {}]
    assert (tenants.grants("acme"), tenants.grants("shop")) == ({}, {})
