"""Tenants and the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.errors import ConflictError, InputError, InvalidUploadError, NotFoundError
from pipeline.registry.audit import AuditLog
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


def test_each_tenant_has_a_gateway_key_of_its_own(tenants: TenantAdministration, gateway: FakeGatewayKeys) -> None:
    created = [tenants.create("acme", tier="premium"), tenants.create("demo")]
    assert gateway.keys == {tenant.tenant: (tenant.gateway_key, tenant.tier) for tenant in created}
    assert len({tenant.gateway_key for tenant in created}) == 2
    assert all(20 <= len(tenant.gateway_key) <= 128 for tenant in created)
    assert {tenant.tenant for tenant in tenants.list()} == {"acme", "demo"}


def test_ensuring_a_tenant_keeps_the_one_that_exists(tenants: TenantAdministration, gateway: FakeGatewayKeys) -> None:
    created = tenants.create("acme", tier="basic")
    assert tenants.ensure("acme") == created
    with pytest.raises(ConflictError, match="acme"):
        tenants.create("acme")


def test_a_tenant_is_suspended_and_resumed(tenants: TenantAdministration) -> None:
    tenants.create("acme")
    assert tenants.suspend("acme").status == "SUSPENDED"
    assert tenants.resume("acme").status == "ACTIVE"


def test_a_removed_tenant_is_gone_with_its_gateway_key(tenants: TenantAdministration, gateway: FakeGatewayKeys) -> None:
    tenants.create("acme")
    for _ in range(2):
        tenants.remove("acme")
    assert (tenants.get("acme"), gateway.keys) == (None, {})
    with pytest.raises(NotFoundError, match="acme"):
        tenants.suspend("acme")


@pytest.mark.parametrize(("arguments", "error"), [(("A b",), InvalidUploadError), (("acme", "gold"), InputError)])
def test_an_invalid_name_or_tier_makes_no_tenant(
    tenants: TenantAdministration, gateway: FakeGatewayKeys, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        tenants.create(arguments[0], tier=(*arguments, "basic")[1])
    assert (tenants.list(), gateway.keys) == ([], {})


def test_the_audit_log_has_who_did_what_and_what_was_denied() -> None:
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


def test_what_cannot_be_shared_is_reported(tenants: TenantAdministration) -> None:
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
