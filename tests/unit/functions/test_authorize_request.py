"""authorize_request: a policy, or the exception that API Gateway takes for a 401."""

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


def test_a_known_key_is_let_through_as_its_tenant_and_is_not_logged(api: Api) -> None:
    table = FakeTable()
    keys = ApiKeys(table)
    api.give(authorize=Authorizer(Callers(keys, Tenants(table)).resolve, None))
    key = keys.create("demo")
    asked = authorized("authorize_request", headers={"x-api-key": key})
    assert api.call(asked)["context"]["tenant"] == "demo"
    assert key not in api.said(asked).text


def test_a_missing_key_raises_the_one_word_that_is_a_401(api: Api) -> None:
    table = FakeTable()
    api.give(authorize=Authorizer(Callers(ApiKeys(table), Tenants(table)).resolve, None))
    with pytest.raises(UnauthenticatedError, match=r"^Unauthorized$"):
        api.call(authorized("authorize_request", headers={}))
    assert api.call(authorized("authorize_request"))["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_anything_else_that_goes_wrong_is_not_taken_for_a_401(api: Api) -> None:
    api.give(authorize=None)
    with pytest.raises(InternalError):
        api.call(authorized("authorize_request"))


def test_a_key_needs_nothing_that_verifies_tokens(api: Api) -> None:
    """Importing it takes as long as the rest of a cold start."""
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
    asked = authorized("authorize_request", headers={"x-api-key": keys.create("demo")})
    assert api.call(asked)["context"]["tenant"] == "demo"
