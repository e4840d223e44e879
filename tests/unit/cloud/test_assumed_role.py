"""Credentials for one tenant, and for one run of it."""

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
Asked = list[tuple[str, dict[str, str]]]  # the host and the form of each call of STS


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """Calls of STS, which moto answers; the region is told by nothing but the clients' argument, as in a Batch job."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with mock_aws():
        yield []


def session_of(asked: Asked, role: TenantRole, now: Callable[[], datetime]) -> Session:
    """The narrowed session; its own one notes what it asks of STS."""
    own = Session()
    own.set_credentials("own", "secret")
    create = own.create_client

    def noting(service: str, **options: Any) -> Any:
        client = create(service, **options)

        def note(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
            form = parse_qs(request.body.decode() if isinstance(request.body, bytes) else str(request.body))
            asked.append((request.url, {name: values[0] for name, values in form.items()}))
            return None

        client.meta.events.register_first("before-send.sts", note)
        return client

    own.create_client = noting
    return role.session(own, region="eu-west-1", now=now)


def test_a_runs_policy_names_the_run_alone() -> None:
    document = POLICY.document(ARN)
    assert [statement["Resource"] for statement in document["Statement"]] == [
        "arn:aws-cn:s3:::artifacts/tenants/demo/runs/demo_adult_000000000001/*",
        "arn:aws-cn:s3:::artifacts",
        "arn:aws-cn:dynamodb:*:123456789012:table/modeldrop",
    ]
    assert "demo_adult_000000000002" not in json.dumps(document)
    assert len(json.dumps(document)) < 2048, "the most that STS takes"


def test_the_role_is_taken_at_the_first_call_with_the_tenant_as_a_tag_in_the_clients_region(asked: Asked) -> None:
    session = session_of(asked, ROLE, lambda: datetime.now(UTC))
    assert asked == []
    credentials = session.get_credentials()
    assert credentials is not None
    frozen = credentials.get_frozen_credentials()
    assert frozen.access_key != "own"
    assert frozen.token
    ((url, form),) = asked
    assert url.startswith("https://sts.eu-west-1.amazonaws.com")
    assert (form["RoleArn"], form["RoleSessionName"], form["DurationSeconds"]) == (ARN, ROLE.name, "3600")
    assert (form["Tags.member.1.Key"], form["Tags.member.1.Value"]) == ("tenant", "demo")
    assert "Policy" not in form


def test_a_session_for_one_run_bears_its_policy(asked: Asked) -> None:
    role = TenantRole(arn=ARN, tenant="demo", name="n" * 100, only=POLICY)
    session_of(asked, role, lambda: datetime.now(UTC)).get_credentials().get_frozen_credentials()
    ((_, form),) = asked
    assert json.loads(form["Policy"]) == POLICY.document(ARN)
    assert len(form["RoleSessionName"]) == 64, "the most that STS takes"


def test_the_role_is_assumed_again_before_its_credentials_end(asked: Asked) -> None:
    clock = [datetime.now(UTC)]
    credentials = session_of(asked, ROLE, lambda: clock[0]).get_credentials()
    assert credentials is not None
    first = credentials.get_frozen_credentials()
    clock[0] += timedelta(minutes=40)
    assert credentials.get_frozen_credentials() == first
    clock[0] += timedelta(minutes=11)  # nine minutes before the hour ends
    assert credentials.get_frozen_credentials() != first
    assert len(asked) == 2


def test_narrowed_clients_share_the_service_models_and_not_the_credentials() -> None:
    own = Clients(region="eu-west-1", credentials=("own", "secret"))
    narrowed = own.acting_as(ROLE)
    assert narrowed.region == "eu-west-1"
    loaders = [clients._session.get_component("data_loader") for clients in (own, narrowed)]
    assert loaders[0] is loaders[1]
    assert narrowed.s3.meta.region_name == "eu-west-1"
    assert narrowed._session.get_credentials().method == "assume-role"
