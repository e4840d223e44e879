"""authorize_request returns a policy, or raises the exception that API Gateway turns into a 401."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.contracts.errors import InternalError, UnauthenticatedError
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.sign_in.callers import Callers
from pipeline.registry.tenants import Tenants
from pipeline.use_cases.management.authorizer import Authorizer
from tests.fakes.table import FakeTable
from tests.helpers.api_requests import Api, authorized
from tests.helpers.function_files import ROOT
from tools.import_times import handler_environment


@pytest.fixture
def api(capsys: pytest.CaptureFixture[str]) -> Api:
    return Api("authorize_request", capsys)


def test_a_known_key_is_allowed_for_its_tenant_and_not_logged(api: Api) -> None:
    table = FakeTable()
    keys = ApiKeys(table)
    api.give(authorize=Authorizer(Callers(keys, Tenants(table)).resolve, None))
    key = keys.create("demo")
    request_event = authorized("authorize_request", headers={"x-api-key": key})
    assert api.call(request_event)["context"]["tenant"] == "demo"
    assert key not in api.said(request_event).text


def test_a_missing_key_raises_unauthorized(api: Api) -> None:
    table = FakeTable()
    api.give(authorize=Authorizer(Callers(ApiKeys(table), Tenants(table)).resolve, None))
    with pytest.raises(UnauthenticatedError, match=r"^Unauthorized$"):
        api.call(authorized("authorize_request", headers={}))
    assert api.call(authorized("authorize_request"))["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_another_error_is_an_internal_error(api: Api) -> None:
    api.give(authorize=None)
    with pytest.raises(InternalError):
        api.call(authorized("authorize_request"))


def test_an_api_key_does_not_need_the_token_libraries(api: Api) -> None:
    """Importing the token libraries takes as long as the rest of a cold start."""
    code = "import sys, app; print(sorted({'joserfc', 'cryptography'} & set(sys.modules)))"
    environment = handler_environment("authorize_request") | {"JWT_ISSUER": "https://login.example.com"}
    environment["PYTHONPATH"] += f":{ROOT / 'functions' / 'authorize_request'}"
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"

    def make_tokens() -> ApiKeys:
        raise AssertionError("tokens are not needed")

    table = FakeTable()
    keys = ApiKeys(table)
    api.give(authorize=Authorizer(Callers(keys, Tenants(table), make_tokens).resolve, None))
    request_event = authorized("authorize_request", headers={"x-api-key": keys.create("demo")})
    assert api.call(request_event)["context"]["tenant"] == "demo"
