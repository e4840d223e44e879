"""The authorizer returns the caller of a key in the format of API Gateway."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from pipeline.contracts.errors import InputError, UnauthenticatedError
from pipeline.contracts.ports import Item
from pipeline.registry.api_keys import MAX_MODELS, ApiKeys
from pipeline.registry.sign_in.callers import Callers
from pipeline.registry.tenants import MAX_SHARED, TenantAdministration
from pipeline.use_cases.management.authorizer import MAX_DECISION_BYTES, Authorizer
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.table import FakeTable
from tests.helpers.function_files import event


class _Counting(FakeTable):
    """A table that counts requests."""

    reads = 0

    def get(self, *arguments: Any, **options: Any) -> Item | None:
        self.reads += 1
        return super().get(*arguments, **options)

    def get_all(self, *arguments: Any, **options: Any) -> list[Item]:
        self.reads += 1
        return super().get_all(*arguments, **options)


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def keys(table: FakeTable) -> ApiKeys:
    return ApiKeys(table)


@pytest.fixture
def tenants(table: FakeTable) -> TenantAdministration:
    return TenantAdministration(table, FakeGatewayKeys())


def authorizer(keys: ApiKeys, tenants: TenantAdministration, gateway_key: str | None) -> Authorizer:
    return Authorizer(Callers(keys, tenants).resolve, gateway_key, header="x-api-key")


def effect(decision: dict[str, Any]) -> str:
    return decision["policyDocument"]["Statement"][0]["Effect"]


def asking(headers: dict[str, str] | None) -> dict[str, Any]:
    return event("authorize_request", headers=headers)


@pytest.mark.parametrize("header", ["x-api-key", "X-API-Key"])
def test_a_key_gives_its_tenant_and_access_to_the_whole_stage(
    keys: ApiKeys, tenants: TenantAdministration, header: str
) -> None:
    decision = authorizer(keys, tenants, "opaque")(asking({header: keys.create("demo", "ci")}))
    assert decision == {
        "principalId": "demo/ci",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1/*",
                }
            ],
        },
        "context": {"tenant": "demo", "principal": "ci", "permissions": "predict,read", "models": ""},
        "usageIdentifierKey": "opaque",
    }


def test_no_gateway_key_is_returned_without_a_usage_plan(keys: ApiKeys, tenants: TenantAdministration) -> None:
    assert "usageIdentifierKey" not in authorizer(keys, tenants, None)(asking({"x-api-key": keys.create("demo")}))


def test_requests_of_each_tenant_count_by_a_separate_gateway_key(keys: ApiKeys, tenants: TenantAdministration) -> None:
    authorize = authorizer(keys, tenants, "shared")
    for tenant in ("demo", "acme"):
        own = tenants.create(tenant).gateway_key
        assert authorize(asking({"x-api-key": keys.create(tenant)}))["usageIdentifierKey"] == own


def test_the_context_names_the_models_that_a_key_is_limited_to(keys: ApiKeys, tenants: TenantAdministration) -> None:
    key = keys.create("demo", models=["adult", "houses"])
    assert authorizer(keys, tenants, None)(asking({"x-api-key": key}))["context"]["models"] == "adult,houses"


@pytest.mark.parametrize("headers", [None, {}, {"x-api-key": ""}, {"x-api": "md_"}])
def test_a_missing_key_raises_unauthorized(
    keys: ApiKeys, tenants: TenantAdministration, headers: dict[str, str] | None
) -> None:
    with pytest.raises(UnauthenticatedError) as raised:
        authorizer(keys, tenants, "opaque")(asking(headers))
    assert str(raised.value) == "Unauthorized"


def test_unknown_revoked_and_expired_keys_get_a_deny_policy_with_a_reason(
    keys: ApiKeys, tenants: TenantAdministration
) -> None:
    revoked, expired = keys.create("demo"), keys.create("demo", valid_for=timedelta(0))
    keys.revoke(revoked[:11])
    for key in ("md_" + "x" * 43, revoked, expired):
        decision = authorizer(keys, tenants, "opaque")(asking({"x-api-key": key}))
        assert (effect(decision), "usageIdentifierKey" in decision) == ("Deny", False)
        assert set(decision["context"]) == {"reason"}
        assert "unknown, expired or revoked" in decision["context"]["reason"]


def test_the_keys_of_a_suspended_tenant_are_denied(keys: ApiKeys, tenants: TenantAdministration) -> None:
    key = keys.create("demo")
    tenants.create("demo")
    tenants.suspend("demo")
    assert effect(authorizer(keys, tenants, None)(asking({"x-api-key": key}))) == "Deny"
    tenants.resume("demo")
    assert effect(authorizer(keys, tenants, None)(asking({"x-api-key": key}))) == "Allow"


def test_shared_models_are_in_the_context_and_fit_into_the_response(
    keys: ApiKeys, tenants: TenantAdministration
) -> None:
    tenants.create("acme")
    tenants.create("d" * 32)
    for number in range(MAX_SHARED):
        tenants.share("d" * 32, f"{'m' * 30}{number:02}", "acme", "predictor")
    decision = authorizer(keys, tenants, None)(asking({"x-api-key": keys.create("acme", "ci")}))
    shared = decision["context"]["shared"].split(",")
    assert shared == [f"{'d' * 32}/{'m' * 30}{number:02}=predict+read" for number in range(MAX_SHARED)]
    assert len(json.dumps(decision)) <= MAX_DECISION_BYTES < 8 << 10


def test_the_response_has_only_as_many_of_300_grants_as_fit(
    keys: ApiKeys, tenants: TenantAdministration, table: FakeTable
) -> None:
    """Sharing refuses too many grants; this table was written in another way."""
    tenants.create("acme", tier="premium")
    for owner in ("d" * 32, "e" * 32):
        tenants.create(owner)
    shared = {f"{'de'[number % 2] * 32}/{'m' * 29}{number:03}": "predictor" for number in range(300)}
    table.update("ACCOUNT#acme", "ACCOUNT", {"shared": shared})
    decision = authorizer(keys, tenants, None)(asking({"x-api-key": keys.create("acme", "ö" * 200)}))
    fitting = decision["context"]["shared"].split(",")
    assert len(json.dumps(decision)) <= MAX_DECISION_BYTES
    assert MAX_SHARED < len(fitting) < 300
    assert fitting == [f"{model}=predict+read" for model in sorted(shared)][: len(fitting)]


def test_a_key_for_the_maximum_of_models_fits_and_has_no_shared_models(
    keys: ApiKeys, tenants: TenantAdministration
) -> None:
    for tenant in ("acme", "owner"):
        tenants.create(tenant)
    tenants.share("owner", "houses", "acme", "predictor")
    models = [f"{'m' * 29}{number:03}" for number in range(MAX_MODELS)]
    decision = authorizer(keys, tenants, None)(asking({"x-api-key": keys.create("acme", models=models)}))
    assert decision["context"]["models"].split(",") == models
    assert "shared" not in decision["context"]  # such a key reaches no shared model
    assert len(json.dumps(decision)) <= MAX_DECISION_BYTES
    with pytest.raises(InputError, match="100 models, not 101"):
        keys.create("acme", models=[*models, "one-more"])
    with pytest.raises(InputError, match="200 characters"):
        keys.create("acme", "x" * 201)


def test_the_owners_of_shared_models_are_read_in_one_request() -> None:
    table = _Counting()
    tenants = TenantAdministration(table, FakeGatewayKeys())
    tenants.create("acme")
    for number in range(MAX_SHARED):
        tenants.create(f"owner-{number}")
        tenants.share(f"owner-{number}", "houses", "acme", "reader")
    authorize = authorizer(ApiKeys(table), tenants, None)
    request = asking({"x-api-key": ApiKeys(table).create("acme")})
    table.reads = 0
    assert len(authorize(request)["context"]["shared"].split(",")) == MAX_SHARED
    assert table.reads == 3  # the key, its tenant, the owners


@pytest.mark.parametrize(
    ("header", "headers", "accepted"),
    [
        ("x-api-key", {"authorization": "Bearer KEY"}, False),
        ("authorization", {"x-api-key": "KEY", "authorization": "Basic x"}, False),
        ("authorization", {"x-api-key": "md_x", "Authorization": "bearer KEY"}, True),
        (None, {"Authorization": "Bearer KEY"}, True),
        (None, {"X-Api-Key": "KEY"}, True),
    ],
)
def test_only_the_header_that_keys_the_cache_is_accepted(
    keys: ApiKeys, tenants: TenantAdministration, header: str | None, headers: dict[str, str], accepted: bool
) -> None:
    """Otherwise a response cached by another header could be returned to a different caller."""
    key = keys.create("demo")
    authorize = Authorizer(Callers(keys, tenants).resolve, None, header=header)
    request = asking({name: value.replace("KEY", key) for name, value in headers.items()})
    if accepted:
        assert effect(authorize(request)) == "Allow"
    else:
        with pytest.raises(UnauthenticatedError):
            authorize(request)


def test_models_of_a_suspended_or_removed_owner_are_not_shared(keys: ApiKeys, tenants: TenantAdministration) -> None:
    for tenant in ("acme", "owner", "other"):
        tenants.create(tenant)
    tenants.share("owner", "houses", "acme", "predictor")
    tenants.share("other", "adult", "acme", "reader")
    authorize, request = authorizer(keys, tenants, None), asking({"x-api-key": keys.create("acme")})
    assert authorize(request)["context"]["shared"] == "other/adult=read,owner/houses=predict+read"
    tenants.suspend("owner")
    assert authorize(request)["context"]["shared"] == "other/adult=read"
    tenants.resume("owner")
    assert "owner/houses" in authorize(request)["context"]["shared"]
    tenants.remove("owner")
    assert authorize(request)["context"]["shared"] == "other/adult=read"


def test_a_reason_needs_no_escaping_in_json(keys: ApiKeys, tenants: TenantAdministration) -> None:
    """API Gateway copies it into the response without escaping."""
    for credential in ('a"b', "a.b.c", '".".".', "md_ü"):
        reason = authorizer(keys, tenants, None)(asking({"x-api-key": credential}))["context"]["reason"]
        assert json.loads(f'{{"error": "{reason}"}}') == {"error": reason}
