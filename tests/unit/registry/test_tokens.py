"""Tokens (JWT) of a local issuer: their principals, and the messages of refusals."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc.jwk import OctKey

from pipeline.cloud.json_documents import fetch_json
from pipeline.contracts.errors import ConfigurationError, TransientError, UnauthenticatedError
from pipeline.registry.api_keys import ApiKeys, Principal
from pipeline.registry.sign_in.callers import Callers
from pipeline.registry.sign_in.issuer import TokenIssuer
from pipeline.registry.sign_in.issuer_keys import FRESH_SECONDS, REFETCH_SECONDS, STALE_SECONDS, IssuerKeys
from pipeline.registry.sign_in.tokens import LEEWAY_SECONDS, MAX_TOKEN, Tokens
from pipeline.registry.tenants import TenantAdministration
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.table import FakeTable
from tests.fakes.token_issuer import FakeIssuer, make_key, run_issuer

NOW = int(time.time())


@pytest.fixture(scope="module")
def server() -> Iterator[FakeIssuer]:
    with run_issuer() as running:
        yield running


@pytest.fixture
def issuer(server: FakeIssuer) -> FakeIssuer:
    server.__init__(server.url)  # type: ignore[misc]  # as it was at first
    return server


def verifier(issuer: FakeIssuer, clock: Callable[[], float] = time.monotonic, **options: Any) -> Tokens:
    accepted = TokenIssuer(**{"issuer": issuer.url, "audiences": ("modeldrop",), **options})
    return Tokens(accepted, IssuerKeys(accepted, fetch_json, clock=clock))


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1"])
def test_a_token_resolves_to_a_principal_as_an_api_key_does(issuer: FakeIssuer, kid: str) -> None:
    assert verifier(issuer).resolve(issuer.token(kid)) == Principal(
        tenant="acme", principal="jwt:anna", permissions=("predict", "read")
    )


@pytest.mark.parametrize(
    ("roles", "permissions"),
    [
        (["reader", "admin", 3], "read"),
        ("openid modeldrop/publisher email", "predict publish read"),
        (["modeldrop:owner"], "manage predict publish read"),
        (["predictor", "reader"], "predict read"),
    ],
)
def test_roles_may_be_a_list_or_a_text_that_includes_other_roles(
    issuer: FakeIssuer, roles: object, permissions: str
) -> None:
    assert verifier(issuer).resolve(issuer.token(roles=roles)).permissions == tuple(permissions.split())


def test_claim_names_are_configurable(issuer: FakeIssuer) -> None:
    claims = {"https://x.org/tenant": "shop", "realm_access": {"roles": ["reader"]}, "grants": "adult shop/houses b/x"}
    tokens = verifier(
        issuer, tenant_claim="https://x.org/tenant", roles_claim="realm_access.roles", models_claim="grants"
    )
    principal = tokens.resolve(issuer.token(tenant=None, roles=None, **claims))
    assert (principal.tenant, principal.permissions, principal.models) == ("shop", ("read",), ("adult", "houses"))


def test_a_token_without_an_audience_is_accepted_by_its_client_id(issuer: FakeIssuer) -> None:
    """Amazon Cognito's access tokens have a client_id and no audience; an audience takes precedence."""
    tokens = verifier(issuer)
    assert tokens.resolve(issuer.token(aud=None, client_id="modeldrop")).tenant == "acme"
    with pytest.raises(UnauthenticatedError, match="audience"):
        tokens.resolve(issuer.token(aud="other", client_id="modeldrop"))


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def unsigned(issuer: FakeIssuer) -> str:
    parts = ({"alg": "none", "kid": "rsa-1"}, issuer.claims())
    return ".".join(_encode(json.dumps(part).encode()) for part in parts) + "."


def signed_with_public_key(issuer: FakeIssuer) -> str:
    """Algorithm confusion: the public key as the secret of an HMAC."""
    parts = ({"alg": "HS256", "kid": "rsa-1"}, issuer.claims())
    signed = ".".join(_encode(json.dumps(part).encode()) for part in parts)
    secret = make_key("rsa-1").as_pem(private=False)
    return f"{signed}.{_encode(hmac.digest(secret, signed.encode(), 'sha256'))}"


def with_other_claims(issuer: FakeIssuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{_encode(json.dumps(issuer.claims(tenant='other')).encode())}.{signature}"


REFUSED: dict[str, tuple[Callable[[FakeIssuer], str], str]] = {
    "expired": (lambda i: i.token(exp=NOW - LEEWAY_SECONDS - 5), "has expired"),
    "not yet valid": (lambda i: i.token(nbf=NOW + 3600), "not valid yet"),
    "of the future": (lambda i: i.token(iat=NOW + 3600), "issued in the future"),
    "another issuer": (lambda i: i.token(iss="https://other.example"), "another issuer"),
    "another audience": (lambda i: i.token(aud=["a", "b"]), "another audience"),
    "no audience": (lambda i: i.token(aud=None), "lacks a claim"),
    "no expiry": (lambda i: i.token(exp=None), "lacks a claim"),
    "expiry as text": (lambda i: i.token(exp="never"), "invalid claim"),
    "unknown key": (lambda i: i.token("rsa-2"), "its issuer does not have"),
    "key of another name": (lambda i: i.token("rsa-2", {"kid": "rsa-1"}), "signature is not"),
    "key of another kind": (lambda i: i.token("ec-1", {"kid": "rsa-1"}), "signature is not"),
    "no name of a key": (lambda i: i.token(header={"kid": None}), "its issuer does not have"),
    "changed": (with_other_claims, "signature is not"),
    "unsigned": (unsigned, "algorithm is not accepted"),
    "algorithm confusion": (signed_with_public_key, "algorithm is not accepted"),
    "a logout token": (lambda i: i.token(header={"typ": "logout+jwt"}), "another type"),
    "oversized": (lambda i: i.token(padding="x" * MAX_TOKEN), "more than 8,192 characters"),
    "no subject": (lambda i: i.token(sub=None), "claim sub"),
    "a subject of two lines": (lambda i: i.token(sub="a\nb"), "claim sub"),
    "no tenant": (lambda i: i.token(tenant=None), "claim tenant"),
    "no name of a tenant": (lambda i: i.token(tenant="A b"), "claim tenant"),
    "several tenants": (lambda i: i.token(tenant=["acme"]), "claim tenant"),
    "no role": (lambda i: i.token(roles=None), "claim roles"),
    "a role of another program": (lambda i: i.token(roles="billing/owner"), "claim roles"),
    "no models of the tenant": (lambda i: i.token(models=["b/x"]), "claim models"),
    "models that are none": (lambda i: i.token(models=[]), "claim models"),
    "models that are not a list": (lambda i: i.token(models=7), "claim models"),
    "not a JWT": (lambda i: "a.b.c", "three parts"),
    "empty parts": (lambda i: "..", "three parts"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_invalid_token_is_refused_with_a_specific_message(issuer: FakeIssuer, case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(UnauthenticatedError) as raised:
        verifier(issuer).resolve(make(issuer))
    assert words in raised.value.message
    assert not set('"\\\n') & set(raised.value.message)  # API Gateway copies it into JSON


def test_clocks_may_differ_a_little(issuer: FakeIssuer) -> None:
    assert (
        verifier(issuer)
        .resolve(issuer.token(exp=int(time.time()) - LEEWAY_SECONDS + 20, nbf=int(time.time()) + 10))
        .tenant
        == "acme"
    )


def test_a_new_key_is_fetched_at_once_and_unknown_key_ids_cause_one_fetch(issuer: FakeIssuer) -> None:
    now = [0.0]
    tokens = verifier(issuer, lambda: now[0])
    for _ in range(3):
        tokens.resolve(issuer.token())
    assert issuer.requests == ["/.well-known/openid-configuration", "/keys"]
    now[0] = REFETCH_SECONDS
    issuer.kids = ["rsa-2"]
    for _ in range(3):
        assert tokens.resolve(issuer.token("rsa-2")).tenant == "acme"
        for name in ("a", "b"):
            with pytest.raises(UnauthenticatedError):
                tokens.resolve(issuer.token("rsa-2", {"kid": name}))
    assert issuer.requests.count("/keys") == 2
    with pytest.raises(UnauthenticatedError):  # the key that was withdrawn
        tokens.resolve(issuer.token("rsa-1"))


def test_known_keys_stay_valid_for_a_day_while_the_issuer_is_down(issuer: FakeIssuer) -> None:
    now = [0.0]
    tokens = verifier(issuer, lambda: now[0])
    issuer.is_down = True
    for _ in range(2):
        with pytest.raises(TransientError, match="try again"):
            tokens.resolve(issuer.token())
    assert len(issuer.requests) == 1  # bounded: the second call did not ask
    issuer.is_down, now[0] = False, REFETCH_SECONDS
    tokens.resolve(issuer.token())
    issuer.is_down, now[0] = True, REFETCH_SECONDS + FRESH_SECONDS + 1
    assert tokens.resolve(issuer.token()).tenant == "acme"
    now[0] += STALE_SECONDS
    with pytest.raises(TransientError):
        tokens.resolve(issuer.token())


def test_keys_that_cannot_verify_are_dropped(issuer: FakeIssuer) -> None:
    """Secrets, encryption keys, unknown kinds and invalid keys are dropped; the valid keys stay."""
    secret = OctKey.import_key("a" * 32, {"kid": "oct-1"}).as_dict(private=True)
    encryption = make_key("rsa-enc").as_dict(private=False) | {"use": "enc"}
    issuer.entries = [secret, encryption, {"kty": "RSA", "kid": "bad"}, {"kty": "new", "kid": "n"}, {}]
    tokens = verifier(issuer)
    assert tokens.resolve(issuer.token()).tenant == "acme"
    with pytest.raises(UnauthenticatedError):
        tokens.resolve(issuer.token("rsa-enc"))


@pytest.mark.parametrize(
    "changes", [{"issuer": "https://evil.example"}, {"jwks_uri": None}, {"jwks_uri": "http://x.org/k"}]
)
def test_an_untrusted_issuer_configuration_is_refused(issuer: FakeIssuer, changes: dict[str, Any]) -> None:
    issuer.configuration |= changes
    with pytest.raises(TransientError):
        verifier(issuer).resolve(issuer.token())


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": "http://login.example.com"},
        {"issuer": ""},
        {"issuer": "https://login.example.com?x=1"},
        {"keys_url": "ftp://x.org/keys"},
        {"audiences": ()},
        {"tenant_claim": 'a"b'},
    ],
)
def test_insecure_or_invalid_issuer_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        TokenIssuer(**{"issuer": "https://login.example.com", "audiences": ("modeldrop",), **options})


@pytest.fixture
def scene(issuer: FakeIssuer) -> tuple[Callers, TenantAdministration]:
    table = FakeTable()
    tenants = TenantAdministration(table, FakeGatewayKeys())
    return Callers(ApiKeys(table), tenants, lambda: verifier(issuer)), tenants


def test_the_tenant_of_a_token_must_exist_and_be_active(
    issuer: FakeIssuer, scene: tuple[Callers, TenantAdministration]
) -> None:
    callers, tenants = scene
    refusals = set()
    for prepare in (lambda: None, lambda: tenants.suspend(tenants.create("acme").tenant)):
        prepare()
        with pytest.raises(UnauthenticatedError) as raised:
            callers.resolve(issuer.token())
        refusals.add(raised.value.message)
    assert len(refusals) == 1  # whether there is such a tenant is not said
    tenants.resume("acme")
    caller = callers.resolve(issuer.token())
    stored = tenants.get("acme")
    assert stored is not None
    assert (caller.principal, caller.gateway_key) == ("jwt:anna", stored.gateway_key)


def test_a_token_may_use_models_shared_with_its_tenant(
    issuer: FakeIssuer, scene: tuple[Callers, TenantAdministration]
) -> None:
    callers, tenants = scene
    for tenant in ("acme", "owner"):
        tenants.create(tenant)
    tenants.share("owner", "houses", "acme", "predictor")
    assert callers.resolve(issuer.token()).shared == {"owner/houses": ("predict", "read")}


def test_tokens_are_refused_without_an_issuer(issuer: FakeIssuer) -> None:
    table = FakeTable()
    callers = Callers(ApiKeys(table), TenantAdministration(table, FakeGatewayKeys()))
    with pytest.raises(UnauthenticatedError, match="tokens are not accepted here"):
        callers.resolve(issuer.token())


def test_a_null_models_claim_is_refused_and_does_not_allow_all_models() -> None:
    issuer = TokenIssuer(issuer="https://login.example.com", audiences=("modeldrop",))
    claims = {"sub": "ana", "tenant": "acme", "roles": ["reader"]}
    assert issuer.principal(claims).models == ()
    with pytest.raises(UnauthenticatedError, match="claim models"):
        issuer.principal(claims | {"models": None})
