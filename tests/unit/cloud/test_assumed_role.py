"""Credentials limited to one tenant, or to one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.session import Session
from moto import mock_aws

from pipeline.cloud.assumed_role import RunPolicy, TenantRole
from pipeline.cloud.clients import Clients

ARN = "arn:aws-cn:iam::123456789012:role/run"
POLICY = RunPolicy(run="demo_adult_000000000001", bucket="artifacts", table="modeldrop")
ROLE = TenantRole(arn=ARN, tenant="demo", name="demo_adult_000000000001")
StsCalls = list[tuple[str, dict[str, str]]]  # the host and the form of each call of STS


@pytest.fixture
def sts_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[StsCalls]:
    """Calls of STS, which moto imitates; only the argument of the clients sets the region, as in a Batch job."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with mock_aws():
        yield []


def session_of(sts_calls: StsCalls, role: TenantRole, now: Callable[[], datetime]) -> Session:
    """Return the limited session; the original session records its calls of STS in ``sts_calls``."""
    own = Session()
    own.set_credentials("own", "secret")
    create = own.create_client

    def noting(service: str, **options: Any) -> Any:
        client = create(service, **options)

        def note(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
            form = parse_qs(request.body.decode() if isinstance(request.body, bytes) else str(request.body))
            sts_calls.append((request.url, {name: values[0] for name, values in form.items()}))
            return None

        client.meta.events.register_first("before-send.sts", note)
        return client

    own.create_client = noting
    return role.session(own, region="eu-west-1", now=now)


def test_a_run_policy_names_only_the_run() -> None:
    document = POLICY.document(ARN)
    assert [statement["Resource"] for statement in document["Statement"]] == [
        "arn:aws-cn:s3:::artifacts/tenants/demo/runs/demo_adult_000000000001/*",
        "arn:aws-cn:s3:::artifacts",
        "arn:aws-cn:dynamodb:*:123456789012:table/modeldrop",
    ]
    assert "demo_adult_000000000002" not in json.dumps(document)
    assert len(json.dumps(document)) < 2048, "the most that STS takes"


def test_the_role_is_assumed_at_the_first_call_with_a_tenant_tag_in_the_region_of_the_client(
    sts_calls: StsCalls,
) -> None:
    session = session_of(sts_calls, ROLE, lambda: datetime.now(UTC))
    assert sts_calls == []
    credentials = session.get_credentials()
    assert credentials is not None
    frozen = credentials.get_frozen_credentials()
    assert frozen.access_key != "own"
    assert frozen.token
    ((url, form),) = sts_calls
    assert url.startswith("https://sts.eu-west-1.amazonaws.com")
    assert (form["RoleArn"], form["RoleSessionName"], form["DurationSeconds"]) == (ARN, ROLE.name, "3600")
    assert (form["Tags.member.1.Key"], form["Tags.member.1.Value"]) == ("tenant", "demo")
    assert "Policy" not in form


def test_a_session_for_one_run_has_the_run_policy(sts_calls: StsCalls) -> None:
    role = TenantRole(arn=ARN, tenant="demo", name="n" * 100, only=POLICY)
    session_of(sts_calls, role, lambda: datetime.now(UTC)).get_credentials().get_frozen_credentials()
    ((_, form),) = sts_calls
    assert json.loads(form["Policy"]) == POLICY.document(ARN)
    assert len(form["RoleSessionName"]) == 64, "the most that STS takes"


def test_the_role_is_assumed_again_before_its_credentials_expire(sts_calls: StsCalls) -> None:
    clock = [datetime.now(UTC)]
    credentials = session_of(sts_calls, ROLE, lambda: clock[0]).get_credentials()
    assert credentials is not None
    first = credentials.get_frozen_credentials()
    clock[0] += timedelta(minutes=40)
    assert credentials.get_frozen_credentials() == first
    clock[0] += timedelta(minutes=11)  # nine minutes before the hour ends
    assert credentials.get_frozen_credentials() != first
    assert len(sts_calls) == 2


def test_clients_with_an_assumed_role_share_service_models_but_not_credentials() -> None:
    own = Clients(region="eu-west-1", credentials=("own", "secret"))
    narrowed = own.acting_as(ROLE)
    assert narrowed.region == "eu-west-1"
    loaders = [clients._session.get_component("data_loader") for clients in (own, narrowed)]
    assert loaders[0] is loaders[1]
    assert narrowed.s3.meta.region_name == "eu-west-1"
    assert narrowed._session.get_credentials().method == "assume-role"
