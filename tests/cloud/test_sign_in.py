"""Tokens (JWT) at the embedded API Gateway, beside API keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from localstack_client.session import Session

from pipeline.local import control
from tests.fakes.token_issuer import FakeIssuer, run_issuer
from tests.helpers.cloud_driver import Cloud


@dataclass(frozen=True)
class SignIn:
    """A stack, and the issuer whose tokens it accepts."""

    cloud: Cloud
    issuer: FakeIssuer
    home: Path

    def get(self, path: str = "/registry/models", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(self.cloud.api_url + path, headers=named, timeout=60)

    def bearer(self, path: str = "/registry/models", **claims: object) -> httpx.Response:
        return self.get(path, authorization=f"Bearer {self.issuer.token(**claims)}")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignIn]:
    home = tmp_path_factory.mktemp("sign-in")
    with run_issuer() as issuer:
        status = control.up(home=home, parameters={"CredentialHeader": "Host", "JwtIssuer": issuer.url})
        assert status.endpoint_url is not None
        try:
            yield SignIn(Cloud(Session(localstack_host=status.endpoint_url.removeprefix("http://"))), issuer, home)
        finally:
            control.down(home=home)


def test_tokens_and_keys_are_accepted_in_either_header(scene: SignIn) -> None:
    for response in (
        scene.bearer(tenant="demo"),
        scene.get(x_api_key=scene.issuer.token(tenant="demo")),
        scene.get(x_api_key=scene.cloud.key),
        scene.get(authorization=f"Bearer {scene.cloud.key}"),
    ):
        assert (response.status_code, response.json()["models"]) == (200, [])


def test_the_gateway_reports_refusals(scene: SignIn) -> None:
    for response, words in (
        (scene.get(), "an API key or a token is expected in the header x-api-key"),
        (scene.get(x_api_key="md_unknown"), "unknown, expired or revoked"),
        (scene.bearer(tenant="demo", exp=1), "has expired"),
        (scene.bearer(tenant="nobody"), "tenant is unknown or suspended"),
        (scene.bearer(tenant="demo", aud="other"), "another audience"),
    ):
        assert response.status_code == 401
        assert words in response.json()["error"]


def test_the_role_of_a_token_limits_the_caller(scene: SignIn) -> None:
    denied = httpx.post(
        f"{scene.cloud.api_url}/registry/models/adult/rollback",
        headers={"authorization": f"Bearer {scene.issuer.token(tenant='demo', sub='eve', roles=['reader'])}"},
        timeout=60,
    )
    assert denied.status_code == 403
    (entry, *_) = scene.cloud.audit.list(tenant="demo")
    assert (entry.principal, entry.action, entry.outcome) == ("jwt:eve", "rollback", "denied")


def test_the_stack_may_accept_only_the_authorization_header(scene: SignIn) -> None:
    status = control.up(
        home=scene.home, parameters={"CredentialHeader": "Authorization", "JwtIssuer": scene.issuer.url}
    )
    assert status.api_url is not None
    requests = {
        f"Bearer {scene.issuer.token(tenant='demo')}": 200,
        f"Bearer {scene.cloud.key}": 200,
        "Bearer md_unknown": 401,
    }
    for authorization, expected in requests.items():
        headers = {"authorization": authorization, "x-api-key": "md_other"}
        assert httpx.get(f"{status.api_url}/registry/models", headers=headers, timeout=60).status_code == expected
    refused = httpx.get(f"{status.api_url}/registry/models", headers={"x-api-key": scene.cloud.key}, timeout=60)
    assert refused.status_code == 401
