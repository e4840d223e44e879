"""Tokens (JWT) at the server, by HTTP and gRPC: models of files, and models of a registry with tenants."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from pipeline.bootstrap import callers_of_registry, token_verifier
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.sign_in.issuer import TokenIssuer
from pipeline.registry.sign_in.recent import CredentialCache
from pipeline.registry.tenants import TenantAdministration
from pipeline.server.authentication import FixedKeys, KeysOrTokens, RegistryKeys
from pipeline.server.grpc.messages import find_service, message_class
from pipeline.server.models.model_files import LOCAL_TENANT
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.table import FakeTable
from tests.fakes.token_issuer import FakeIssuer, run_issuer
from tests.helpers.running_server import RunningServer, run_folder, write_scaling_model

SERVICE = "inference.GRPCInferenceService"


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with run_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def server(issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    accepted = TokenIssuer(issuer=issuer.url, audiences=("modeldrop",), tenant=LOCAL_TENANT)
    authenticator = KeysOrTokens(FixedKeys(["secret"], LOCAL_TENANT), RegistryKeys(token_verifier(accepted).resolve))
    with run_folder(folder, authenticator=authenticator) as running:
        yield running


def status(server: RunningServer, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.get("/v2/models/scale", headers=named).status_code


def test_keys_and_tokens_are_accepted_by_http(server: RunningServer, issuer: FakeIssuer) -> None:
    token = issuer.token(tenant=None)  # models of files have no tenants
    assert status(server, authorization=f"Bearer {token}") == 200
    assert status(server, x_api_key=token) == 200
    assert status(server, x_api_key="secret") == 200
    assert status(server, authorization=f"Bearer {issuer.token(aud='other')}") == 401
    assert status(server, authorization="Bearer a.b.c") == 401
    assert status(server) == 401


def test_the_refusal_of_a_token_states_the_reason(server: RunningServer, issuer: FakeIssuer) -> None:
    headers = {"authorization": f"Bearer {issuer.token(exp=1)}"}
    for _ in range(2):  # the second answer is a repeated one
        response = server.client.get("/v2/models/scale", headers=headers)
        assert response.status_code == 401
        assert "has expired" in response.json()["error"]


def test_a_token_with_the_role_reader_may_not_predict(server: RunningServer, issuer: FakeIssuer) -> None:
    headers = {"authorization": f"Bearer {issuer.token(roles=['reader'])}"}
    body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    assert server.client.post("/v2/models/scale/infer", json=body, headers=headers).status_code == 403


def test_grpc_calls_accept_tokens_in_the_metadata(server: RunningServer, issuer: FakeIssuer) -> None:
    method = find_service(SERVICE).methods_by_name["ModelMetadata"]
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelMetadata",
            request_serializer=message_class(method.input_type.full_name).SerializeToString,
            response_deserializer=message_class(method.output_type.full_name).FromString,
        )
        request = message_class(method.input_type.full_name)(name="scale")
        metadata = (("authorization", f"Bearer {issuer.token()}"),)
        assert call(request, timeout=5, metadata=metadata).name == "scale"
        with pytest.raises(grpc.RpcError) as raised:
            call(request, timeout=5, metadata=(("authorization", f"Bearer {issuer.token(exp=1)}"),))
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_an_unreachable_issuer_is_a_503(issuer: FakeIssuer, tmp_path: Path) -> None:
    accepted = TokenIssuer(issuer="http://127.0.0.1:9", audiences=("modeldrop",), tenant=LOCAL_TENANT)
    write_scaling_model(tmp_path)
    with run_folder(tmp_path, authenticator=RegistryKeys(token_verifier(accepted).resolve)) as server:
        response = server.client.get("/v2/models/scale", headers={"authorization": f"Bearer {issuer.token()}"})
    assert response.status_code == 503


def test_callers_of_a_registry_get_models_shared_by_active_tenants(issuer: FakeIssuer) -> None:
    table = FakeTable()
    tenants, keys = TenantAdministration(table, FakeGatewayKeys()), ApiKeys(table)
    accepted = TokenIssuer(issuer=issuer.url, audiences=("modeldrop",))
    now = [0.0]
    callers = callers_of_registry(keys, tenants, lambda: token_verifier(accepted))
    authenticator = RegistryKeys(callers.resolve, clock=lambda: now[0])
    for tenant in ("acme", "owner"):
        tenants.create(tenant)
    tenants.share("owner", "houses", "acme", "predictor")
    for credential in (issuer.token(), keys.create("acme")):
        caller = authenticator.authenticate(credential)
        assert (caller.tenant, caller.shared) == ("acme", {"owner/houses": frozenset({"predict", "read"})})
    tenants.suspend("owner")
    now[0] = 31
    assert authenticator.authenticate(issuer.token(sub="bert")).shared == {}


def test_long_credentials_are_distinguished_and_not_stored_in_full() -> None:
    """A client may send thousands of long credentials."""
    lookups: list[str] = []

    def find(credential: str) -> str:
        lookups.append(credential[-3:])
        return lookups[-1]

    answers = CredentialCache(find)
    tracemalloc.start()
    for _ in range(2):
        for number in range(100):
            assert answers.get(f"{'x' * 30_000}{number:03}") == f"{number:03}"
    used_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(lookups) == 100
    assert used_bytes < 1_000_000
    assert answers.recall(f"{'x' * 30_000}007") == "007"
    assert answers.recall("x" * 30_000) is None
