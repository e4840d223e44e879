"""Whose key it is, as API Gateway wants to hear it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.errors import UnauthenticatedError
from pipeline.registry.api_keys import ApiKeys
from pipeline.serving.authorizer import Authorizer
from tests.fakes.table import FakeTable
from tests.helpers.function_files import event


@pytest.fixture
def keys() -> ApiKeys:
    return ApiKeys(FakeTable())


def asking(headers: dict[str, str] | None) -> dict[str, Any]:
    return event("authorize_request", headers=headers)


@pytest.mark.parametrize("header", ["x-api-key", "X-API-Key"])
def test_a_key_gives_its_tenant_and_lets_through_to_the_whole_stage(keys: ApiKeys, header: str) -> None:
    answer = Authorizer(keys, "opaque")(asking({header: keys.create("demo", "ci")}))
    assert answer == {
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
        "context": {"tenant": "demo", "principal": "ci", "permissions": "predict,read"},
        "usageIdentifierKey": "opaque",
    }


def test_without_a_usage_plan_no_gateway_key_is_named(keys: ApiKeys) -> None:
    assert "usageIdentifierKey" not in Authorizer(keys, None)(asking({"x-api-key": keys.create("demo")}))


@pytest.mark.parametrize("headers", [None, {}, {"x-api-key": ""}, {"x-api-key": "md_" + "x" * 43}, {"x-api": "md_"}])
def test_no_key_and_an_unknown_one_are_refused_in_the_word_that_is_a_401(
    keys: ApiKeys, headers: dict[str, str] | None
) -> None:
    with pytest.raises(UnauthenticatedError) as raised:
        Authorizer(keys, "opaque")(asking(headers))
    assert str(raised.value) == "Unauthorized"


def test_a_revoked_key_is_refused(keys: ApiKeys) -> None:
    key = keys.create("demo")
    keys.revoke(key[:11])
    with pytest.raises(UnauthenticatedError):
        Authorizer(keys, None)(asking({"x-api-key": key}))
