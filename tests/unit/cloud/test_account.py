"""The account adapter, with stubbed responses of AWS."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from pipeline.cloud.administration.account import AwsAccount
from pipeline.cloud.administration.stack import Stack
from pipeline.cloud.administration.stored_data import AwsStoredData
from pipeline.cloud.clients import Clients
from pipeline.contracts.errors import ConfigurationError, ConflictError, NotFoundError

REGION = "eu-west-1"
AT = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def clients() -> Clients:
    return Clients(region=REGION, credentials=("a", "b"))


def _stub(client: Any, *answers: tuple[str, dict[str, Any]]) -> Stubber:
    stubber = Stubber(client)
    for operation, answer in answers:
        if code := answer.get("error"):
            stubber.add_client_error(operation, service_error_code=code, service_message=answer.get("message", ""))
        else:
            stubber.add_response(operation, answer)
    stubber.activate()
    return stubber


def test_identity_returns_the_account_of_the_caller(clients: Clients) -> None:
    answer = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ada", "UserId": "u"}
    _stub(clients.sts, ("get_caller_identity", answer))
    assert AwsAccount(clients).identity().account == "123456789012"


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
def test_credentials_that_aws_refuses_are_a_configuration_error(clients: Clients, code: str) -> None:
    _stub(clients.sts, ("get_caller_identity", {"error": code}))
    with pytest.raises(ConfigurationError, match=code):
        AwsAccount(clients).identity()


def test_offered_reads_the_zones_of_instance_types_from_all_pages(clients: Clients) -> None:
    def page(kind: str, zone: str, **more: str) -> tuple[str, dict[str, Any]]:
        offering = {"InstanceType": kind, "LocationType": "availability-zone", "Location": zone}
        return "describe_instance_type_offerings", {"InstanceTypeOfferings": [offering], **more}

    first, second = page("g4dn.xlarge", "eu-west-1a", NextToken="n"), page("g4dn.xlarge", "eu-west-1b")
    stubber = Stubber(clients.ec2)
    parameters = {
        "LocationType": "availability-zone",
        "Filters": [{"Name": "instance-type", "Values": ["g4dn.xlarge", "c6i.*"]}],
    }
    stubber.add_response(*first, parameters)
    stubber.add_response(*second, {**parameters, "NextToken": "n"})
    stubber.activate()
    offerings = AwsAccount(clients).offerings(["g4dn.xlarge", "c6i.*"])
    assert offerings == {"g4dn.xlarge": frozenset({"eu-west-1a", "eu-west-1b"})}


def test_zones_are_sorted_as_the_template_uses_them(clients: Clients) -> None:
    zones = [{"ZoneName": f"eu-west-1{letter}"} for letter in "cab"]
    _stub(clients.ec2, ("describe_availability_zones", {"AvailabilityZones": zones}))
    assert AwsAccount(clients).zones() == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


def test_an_unchanged_quota_has_the_default_value(clients: Clients) -> None:
    _stub(
        clients.service_quotas,
        ("get_service_quota", {"error": "NoSuchResourceException"}),
        ("get_aws_default_service_quota", {"Quota": {"Value": 5.0}}),
    )
    assert AwsAccount(clients).quota("ec2", "L-34B43A08") == 5.0


def test_an_unknown_quota_is_not_found(clients: Clients) -> None:
    missing = {"error": "NoSuchResourceException"}
    _stub(clients.service_quotas, ("get_service_quota", missing), ("get_aws_default_service_quota", missing))
    with pytest.raises(NotFoundError, match="L-0"):
        AwsAccount(clients).quota("ec2", "L-0")


def test_registry_password_returns_the_password_of_the_token(clients: Clients) -> None:
    token = base64.b64encode(b"AWS:secret:with:colons").decode()
    data = [{"authorizationToken": token, "proxyEndpoint": "https://r"}]
    _stub(clients.ecr, ("get_authorization_token", {"authorizationData": data}))
    assert AwsAccount(clients).registry_password() == "secret:with:colons"


def test_the_region_is_empty_when_none_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert AwsAccount(Clients()).region == ""
    assert {"us-east-1", "eu-west-1", "cn-north-1"} <= set(AwsAccount(Clients()).regions())


def test_a_missing_profile_is_named_in_the_error() -> None:
    with pytest.raises(ConfigurationError, match="nobody"):
        Clients(profile="nobody")


def _event(name: str, status: str, reason: str = "") -> dict[str, Any]:
    fields = {"StackId": "s", "EventId": f"{name}{status}", "StackName": "prod", "Timestamp": AT}
    return {**fields, "LogicalResourceId": name, "ResourceStatus": status, "ResourceStatusReason": reason}


def test_first_failure_returns_the_first_failure_of_the_last_operation(clients: Clients) -> None:
    newest_first = [
        _event("prod", "ROLLBACK_COMPLETE"),
        _event("Table", "CREATE_FAILED", "Resource creation cancelled"),
        _event("Queue", "CREATE_FAILED", "second"),
        _event("Machines", "CREATE_FAILED", "Instance type can only be one of [...]"),
        _event("prod", "CREATE_IN_PROGRESS", "User Initiated"),
        _event("Old", "CREATE_FAILED", "of another operation"),
    ]
    _stub(clients.cloudformation, ("describe_stack_events", {"StackEvents": newest_first}))
    assert Stack(clients.cloudformation, "prod").first_failure() == "Machines: Instance type can only be one of [...]"


def test_the_state_of_a_stack_has_termination_protection(clients: Clients) -> None:
    stack = {"StackName": "prod", "CreationTime": AT, "StackStatus": "CREATE_COMPLETE", "StackId": "arn:prod"}
    _stub(clients.cloudformation, ("describe_stacks", {"Stacks": [{**stack, "EnableTerminationProtection": True}]}))
    state = Stack(clients.cloudformation, "prod").state()
    assert state is not None
    assert state.is_protected


def test_the_newest_deleted_stack_of_a_name_is_found(clients: Clients) -> None:
    def summary(name: str, day: int) -> dict[str, Any]:
        times = {"CreationTime": AT, "DeletionTime": AT.replace(day=day)}
        return {"StackName": name, "StackId": f"arn:{name}:{day}", "StackStatus": "DELETE_COMPLETE", **times}

    summaries = [summary("prod", 3), summary("prod", 7), summary("other", 9)]
    _stub(clients.cloudformation, ("list_stacks", {"StackSummaries": summaries}))
    deleted = Stack(clients.cloudformation, "prod").deleted()
    assert deleted is not None
    assert deleted.id == "arn:prod:7"


def test_empty_bucket_deletes_versions_and_markers_until_none_is_left(clients: Clients) -> None:
    stubber = Stubber(clients.s3)
    for versions, markers in (([1, 2], [3]), ([], [4]), ([], [])):
        page = {
            "Versions": [{"Key": f"k{number}", "VersionId": f"v{number}"} for number in versions],
            "DeleteMarkers": [{"Key": f"k{number}", "VersionId": f"v{number}"} for number in markers],
        }
        stubber.add_response("list_object_versions", page, {"Bucket": "b", "MaxKeys": 1_000})
        if objects := page["Versions"] + page["DeleteMarkers"]:
            stubber.add_response("delete_objects", {}, {"Bucket": "b", "Delete": {"Objects": objects, "Quiet": True}})
    stubber.activate()
    assert list(AwsStoredData(clients).empty_bucket("b")) == [3, 1]
    stubber.assert_no_pending_responses()


def test_empty_bucket_fails_for_a_locked_object(clients: Clients) -> None:
    refused = {"Errors": [{"Key": "k1", "Code": "AccessDenied", "Message": "locked"}]}
    page = {"Versions": [{"Key": "k1", "VersionId": "v1"}]}
    _stub(clients.s3, ("list_object_versions", page), ("delete_objects", refused))
    with pytest.raises(ConflictError, match=r"1 objects of the bucket b .*AccessDenied"):
        list(AwsStoredData(clients).empty_bucket("b"))
