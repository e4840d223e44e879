"""A role allows every call that its code makes, and refuses other calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from pipeline.cloud.assumed_role import RunPolicy
from pipeline.contracts.object_keys import RunKeys, artifact_key
from pipeline.contracts.table_keys import api_key_key, audit_key, rollout_key, run_key, tenant_key, version_key
from tests.helpers.iam import STACK_ID, Call, arn_of, is_allowed, may_take, statements_of, tenant_role_of
from tests.helpers.template import ROOT, resources

RUN, OTHER = "demo_houses_000000000001", "acme_houses_000000000002"
OTHER_OF_DEMO = "demo_houses_000000000003"
KEYS = RunKeys(RUN)
OWN, VERSION = run_key("demo", RUN)[0], version_key("demo", "houses", 1)[0]
OTHERS, OTHERS_VERSION = run_key("acme", OTHER)[0], version_key("acme", "houses", 1)[0]
AUDIT = audit_key("demo", "")[0]
COUNTERS = rollout_key("demo", "houses", "0" * 16)[0]
API_KEY, TENANT = api_key_key("0" * 64)[0], tenant_key("demo")[0]

# What an adapter calls -> the permissions that the call needs.
PERMISSIONS = {
    "get_object": ("s3:GetObject", "s3:GetObjectVersion"),
    "head_object": ("s3:GetObject", "s3:GetObjectVersion"),
    "put_object": ("s3:PutObject",),
    "delete_object": ("s3:DeleteObject",),
    "list_objects_v2": ("s3:ListBucket",),
    "list_object_versions": ("s3:ListBucketVersions",),
    "batch_get_item": ("dynamodb:BatchGetItem",),
    "get_item": ("dynamodb:GetItem",),
    "put_item": ("dynamodb:PutItem",),
    "update_item": ("dynamodb:UpdateItem",),
    "delete_item": ("dynamodb:DeleteItem",),
    "transact_write_items": ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"),
    "query": ("dynamodb:Query",),
    "invoke": ("lambda:InvokeFunction",),
    "start_execution": ("states:StartExecution",),
    "describe_execution": ("states:DescribeExecution",),
    "stop_execution": ("states:StopExecution",),
    "put_events": ("events:PutEvents",),
    "generate_presigned_post": ("s3:PutObject",),  # whoever has the form or the URL acts with the signer's rights
    "generate_presigned_url": ("s3:PutObject",),
    "create_multipart_upload": ("s3:PutObject",),
    "complete_multipart_upload": ("s3:PutObject",),
    "list_parts": ("s3:ListMultipartUploadParts",),
    "abort_multipart_upload": ("s3:AbortMultipartUpload",),
}
# Called only by the command, with the credentials of its user.
OPERATORS = {
    "describe_stacks", "list_stack_resources", "filter_log_events",
    "get_queue_attributes", "receive_message", "send_message", "delete_message",
    "create_api_key", "create_usage_plan_key", "get_api_keys", "delete_api_key", "delete_objects",
    "delete_stack", "list_stacks", "describe_stack_events", "list_images", "describe_instance_type_offerings",
}  # fmt: skip


def objects(bucket: str, key: str, *actions: str) -> Iterator[Call]:
    for action in actions:
        yield Call(action=f"s3:{action}", resource=f"{arn_of(bucket)}/{key}")


def listing(bucket: str, action: str = "ListBucket") -> Call:
    prefix = "demo/houses/" if bucket == "UploadsBucket" else f"{KEYS.root}/"
    return Call(action=f"s3:{action}", resource=arn_of(bucket), context={"s3:prefix": [prefix]})


def items(partition: str, *actions: str, table: str = "Table") -> Iterator[Call]:
    for action in actions:
        context = {"dynamodb:LeadingKeys": [partition]}
        yield Call(action=f"dynamodb:{action}", resource=arn_of(table), context=context)


def listed(name: str) -> Iterator[Call]:
    context = {"dynamodb:LeadingKeys": [name]}
    yield Call(action="dynamodb:Query", resource=f"{arn_of('Table')}/index/listing-index", context=context)


def execution_of(run: str, machine: str = "Pipeline") -> str:
    return f"{arn_of(machine).replace(':stateMachine:', ':execution:')}:{run}"


def on(resource: str, *actions: str) -> Iterator[Call]:
    for action in actions:
        yield Call(action=action, resource=resource)


DEFAULT_BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"
OF_REQUESTS = {
    "PurgeVersionsFunction",
    "CheckRolloutsFunction",
    "FailLostRunsFunction",
    "StartRunFunction",
    "PredictFunction",
    "DescribeModelsFunction",
    "ManageRegistryFunction",
    "GrantUploadFunction",
    "PublishChangesFunction",
    "AuthorizeRequestFunction",
}
STAGES = set(resources("AWS::Serverless::Function")) - OF_REQUESTS
UPLOAD = "demo/houses/train.csv"
READS = [*objects("ArtifactsBucket", KEYS.plan, "GetObject"), listing("ArtifactsBucket")]
WRITES = [*READS, *objects("ArtifactsBucket", KEYS.plan, "PutObject")]
LOGS = [*items(OWN, "UpdateItem")]
TAKES_UPLOADS = [*objects("UploadsBucket", UPLOAD, "GetObject", "GetObjectVersion"), listing("UploadsBucket")]
GIVES_UP = [*objects("ArtifactsBucket", KEYS.plan, "AbortMultipartUpload")]
MADE = {
    "StartRunFunction": [
        *TAKES_UPLOADS, listing("UploadsBucket", "ListBucketVersions"),
        *items(OWN, "PutItem"), *items(TENANT, "GetItem"),
        *objects("ArtifactsBucket", KEYS.upload, "GetObject", "PutObject"),
        *on(arn_of("Pipeline"), "states:StartExecution"),
    ],
    "ValidateDatasetFunction": [*TAKES_UPLOADS, *WRITES, *LOGS],
    "ValidateJobRole": [*TAKES_UPLOADS, *WRITES, *LOGS, *GIVES_UP],
    "PlanTrainingFunction": [*WRITES, *LOGS, *items(VERSION, "GetItem")],
    "CollectJobFunction": [*READS, *LOGS],
    "SelectVariantFunction": [*WRITES, *LOGS],
    "EvaluateModelFunction": [*WRITES, *LOGS],
    "RegisterModelFunction": [
        *READS, *LOGS, *items(VERSION, "GetItem", "PutItem"), *items(OWN, "GetItem", "PutItem", "UpdateItem"),
        *objects("ArtifactsBucket", artifact_key("demo", "a" * 64), "PutObject"),
    ],
    "SmokeTestFunction": [
        *READS, *LOGS, *items(VERSION, "GetItem", "UpdateItem"),
        *on(arn_of("PredictFunction"), "lambda:InvokeFunction"),
    ],
    "PromoteModelFunction": [
        *READS, *LOGS, *items(VERSION, "GetItem", "PutItem", "ConditionCheckItem", "Query"),
        *items(OWN, "GetItem", "UpdateItem"),
    ],
    "RecordFailureFunction": LOGS,
    "FailLostRunsFunction": [
        *LOGS, *listed("RUN"), *on(execution_of(RUN), "states:DescribeExecution"),
    ],
    "CheckRolloutsFunction": [
        *listed("ROLLOUT"), *items(COUNTERS, "GetItem"), *items(OWN, "GetItem", "UpdateItem"),
        *items(VERSION, "GetItem", "PutItem", "UpdateItem", "ConditionCheckItem"),
    ],
    "PurgeVersionsFunction": [
        *listed("DELETED"), *items(OWN, "Query"), listing("ArtifactsBucket"),
        *items(VERSION, "Query", "BatchGetItem", "UpdateItem", "DeleteItem"),
        *objects("ArtifactsBucket", artifact_key("demo", "a" * 64), "GetObject", "PutObject", "DeleteObject"),
    ],
    "PredictFunction": [
        *items(VERSION, "GetItem"), *objects("ArtifactsBucket", artifact_key("demo", "a" * 64), "GetObject"),
        *items(COUNTERS, "UpdateItem"), *items(AUDIT, "PutItem"),
    ],
    "DescribeModelsFunction": [
        *READS, *items(OWN, "GetItem", "Query"), *items(VERSION, "GetItem", "Query"), *items(AUDIT, "PutItem"),
    ],
    "AuthorizeRequestFunction": [*items(API_KEY, "GetItem"), *items(TENANT, "GetItem", "BatchGetItem")],
    "ManageRegistryFunction": [
        listing("ArtifactsBucket"), *objects("ArtifactsBucket", artifact_key("demo", "a" * 64), "GetObject"),
        *items(VERSION, "GetItem", "PutItem", "UpdateItem", "ConditionCheckItem", "Query"),
        *items(OWN, "GetItem", "UpdateItem", "ConditionCheckItem"), *items(AUDIT, "PutItem"),
        *on(execution_of(RUN), "states:StopExecution"),
    ],
    "PublishChangesFunction": [
        *items(AUDIT, "PutItem"),
        Call(action="events:PutEvents", resource=DEFAULT_BUS, context={"events:source": ["modeldrop"]}),
    ],
    "GrantUploadFunction": [
        *objects("UploadsBucket", UPLOAD, "PutObject", "AbortMultipartUpload", "ListMultipartUploadParts"),
        *items(AUDIT, "PutItem"),
    ],
    "ServerRole": [
        *items(VERSION, "GetItem", "Query"), *items(OWN, "GetItem", "Query"), *items(API_KEY, "GetItem"),
        *items(TENANT, "GetItem", "BatchGetItem"), *items(COUNTERS, "UpdateItem"),
        *objects("ArtifactsBucket", artifact_key("demo", "a" * 64), "GetObject"),
        *on(STACK_ID, "cloudformation:DescribeStacks"),  # it runs the command with --stack
    ],
    "JobRole": [*WRITES, *LOGS, *GIVES_UP],
    "Pipeline": [
        *(call for function in STAGES for call in on(arn_of(function), "lambda:InvokeFunction")),
        *(call for queue in ("CpuSpotQueue", "CpuOnDemandQueue", "GpuSpotQueue", "GpuOnDemandQueue")
          for call in on(arn_of(queue), "batch:SubmitJob")),
        *(call for job in resources("AWS::Batch::JobDefinition") for call in on(arn_of(job), "batch:SubmitJob")),
        *on("*", "batch:DescribeJobs", "batch:TerminateJob"),
        *on(arn_of("NodesPipeline"), "states:StartExecution"),
    ],
    "NodesPipeline": [
        *on(arn_of("MultiNodeQueue"), "batch:SubmitJob"), *on(arn_of("MultiNodeTrainJob"), "batch:SubmitJob"),
        *on("*", "batch:DescribeJobs"),
    ],
    "JobWaits": [*on("*", "batch:DescribeJobs", "batch:CancelJob")],
    "JobWaitsCaller": [*on(arn_of("JobWaits"), "states:StartExecution")],
}  # fmt: skip
NEVER = [
    *items(API_KEY, "PutItem", "UpdateItem", "DeleteItem", "Query"),
    *items(TENANT, "PutItem", "UpdateItem", "DeleteItem", "Query"),
    *items(OWN, "DeleteItem", "Scan"),
    *objects("ArtifactsBucket", KEYS.plan, "DeleteObject"),
    *objects("UploadsBucket", UPLOAD, "PutObject", "DeleteObject"),
]
SIGNS_UPLOADS = {"GrantUploadFunction": list(objects("UploadsBucket", UPLOAD, "PutObject"))}
WRITERS_OF_VERSIONS = {
    "RegisterModelFunction", "SmokeTestFunction", "PromoteModelFunction", "ManageRegistryFunction",
    "CheckRolloutsFunction", "PurgeVersionsFunction",
}  # fmt: skip
AUTHENTICATE = {"AuthorizeRequestFunction", "ServerRole"}
STATE_MACHINES = {"Pipeline", "NodesPipeline", "JobWaits", "JobWaitsCaller"}


TAGS = {"tenant": "demo"}
WORKS_FOR_ONE_TENANT = [name for name in MADE if name not in STATE_MACHINES and tenant_role_of(name)]
TENANT_ROLES = sorted({str(tenant_role_of(name)) for name in WORKS_FOR_ONE_TENANT})


def allowed(name: str, call: Call) -> bool:
    """Whether ``name`` may make the call, working for the tenant demo."""
    role = tenant_role_of(name) if name in WORKS_FOR_ONE_TENANT else None
    return is_allowed(call, statements_of(role or name), TAGS if role else None)


def others(call: Call) -> Call:
    """The same call on another tenant's resource."""
    context = {key: [value.replace("demo", "acme") for value in values] for key, values in call.context.items()}
    return Call(action=call.action, resource=call.resource.replace("demo", "acme"), context=context)


@pytest.mark.parametrize("name", MADE)
def test_a_role_may_make_every_call_that_its_code_makes(name: str) -> None:
    assert [call for call in MADE[name] if not allowed(name, call)] == []


def test_every_role_of_the_code_is_listed() -> None:
    # Machines and Fargate itself have policies of AWS's own.
    roles = {name for name in resources("AWS::IAM::Role") if not name.startswith(("Instance", "FargateExecution"))}
    assert set(MADE) == {
        *resources("AWS::Serverless::Function"), *resources("AWS::Serverless::StateMachine"), *roles,
    } - set(TENANT_ROLES)  # fmt: skip


def test_functions_and_jobs_of_a_run_use_a_tenant_role() -> None:
    jobs = {name for name in resources("AWS::IAM::Role") if name.endswith("JobRole")}
    assert set(WORKS_FOR_ONE_TENANT) == STAGES | jobs | {"ManageRegistryFunction", "GrantUploadFunction"}


@pytest.mark.parametrize("name", WORKS_FOR_ONE_TENANT)
def test_a_tenant_role_cannot_reach_another_tenant(name: str) -> None:
    moved = [others(call) for call in MADE[name] if others(call) != call]
    assert moved
    assert [call for call in moved if allowed(name, call)] == []
    unbounded = [
        Call(action="s3:ListBucket", resource=arn_of(bucket), context=context)
        for bucket in ("UploadsBucket", "ArtifactsBucket")
        for context in ({}, {"s3:prefix": [""]}, {"s3:prefix": ["tenants/"]}, {"s3:prefix": ["tenants/dem"]})
    ]
    assert [call for call in unbounded if allowed(name, call)] == []


@pytest.mark.parametrize("name", WORKS_FOR_ONE_TENANT)
def test_the_base_role_may_only_assume_its_tenant_role(name: str) -> None:
    role = str(tenant_role_of(name))
    (statement,) = statements_of(name)
    assert (statement["Action"], statement["Resource"]) == (
        ["sts:AssumeRole", "sts:TagSession"], {"Fn::GetAtt": [role, "Arn"]},
    )  # fmt: skip
    assert [other for other in TENANT_ROLES if may_take(name, other, TAGS)] == [role]


@pytest.mark.parametrize("name", WORKS_FOR_ONE_TENANT)
def test_a_tenant_role_cannot_be_assumed_or_used_without_a_tenant(name: str) -> None:
    role = str(tenant_role_of(name))
    assert not may_take(name, role, {})
    assert not may_take(name, role, {"tenant": ""})
    ofs = [call for call in MADE[name] if not call.action.startswith("lambda:")]
    assert [call for call in ofs if is_allowed(call, statements_of(role))] == []


@pytest.mark.parametrize("name", MADE)
def test_no_role_may_delete_uploads_or_create_keys(name: str) -> None:
    assert [call for call in NEVER if allowed(name, call)] == SIGNS_UPLOADS.get(name, [])


def test_sharing_a_model_may_change_only_the_shared_attribute_of_another_tenant() -> None:
    def update(*attributes: str) -> Call:
        context = {"dynamodb:LeadingKeys": ["ACCOUNT#acme"], "dynamodb:Attributes": ["pk", "sk", *attributes]}
        return Call(action="dynamodb:UpdateItem", resource=arn_of("Table"), context=context)

    assert allowed("ManageRegistryFunction", update("shared"))
    for attributes in (("status",), ("shared", "tier"), ("gateway_key",)):
        assert not allowed("ManageRegistryFunction", update(*attributes))
    reads = items("ACCOUNT#acme", "GetItem", "ConditionCheckItem")
    assert all(allowed("ManageRegistryFunction", call) for call in reads)


@pytest.mark.parametrize("name", sorted(set(MADE) - WRITERS_OF_VERSIONS))
def test_other_roles_may_not_write_version_records(name: str) -> None:
    for partition in (VERSION, OTHERS_VERSION):
        writes = items(partition, "UpdateItem", "PutItem", "DeleteItem")
        assert [call for call in writes if allowed(name, call)] == []


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("PredictFunction", next(objects("ArtifactsBucket", KEYS.plan, "GetObject"))),
        ("PredictFunction", next(objects("UploadsBucket", UPLOAD, "GetObject"))),
        ("PredictFunction", next(items(VERSION, "UpdateItem"))),
        ("StartRunFunction", next(items(TENANT, "UpdateItem"))),
        ("DescribeModelsFunction", next(objects("ArtifactsBucket", KEYS.plan, "PutObject"))),
        ("AuthorizeRequestFunction", next(items(OWN, "GetItem"))),
        ("AuthorizeRequestFunction", next(items(API_KEY, "BatchGetItem"))),
        ("RegisterModelFunction", next(objects("ArtifactsBucket", KEYS.plan, "PutObject"))),
        ("PredictFunction", next(items(COUNTERS, "GetItem"))),
        ("CheckRolloutsFunction", next(listed("RUN"))),
        ("CheckRolloutsFunction", next(items(COUNTERS, "UpdateItem"))),
        ("PurgeVersionsFunction", next(objects("ArtifactsBucket", KEYS.plan, "GetObject"))),
        ("PurgeVersionsFunction", next(items(OWN, "UpdateItem"))),
        ("FailLostRunsFunction", next(listed("KEY"))),
        ("FailLostRunsFunction", next(on(execution_of(RUN, "NodesPipeline"), "states:DescribeExecution"))),
        ("FailLostRunsFunction", next(items(OWN, "GetItem"))),
        ("JobRole", next(objects("UploadsBucket", UPLOAD, "GetObject"))),
        ("GrantUploadFunction", next(objects("UploadsBucket", UPLOAD, "GetObject"))),
        ("GrantUploadFunction", next(items(OWN, "GetItem"))),
        *(
            (name, next(items(API_KEY, "GetItem")))
            for name in MADE
            if name not in ("AuthorizeRequestFunction", "ServerRole")
        ),
    ],
)
def test_a_role_may_not_make_a_call_that_its_code_does_not_need(name: str, call: Call) -> None:
    assert not allowed(name, call)


def _session() -> list[dict[str, object]]:
    policy = RunPolicy(run=RUN, bucket="ArtifactsBucket", table="Table")
    return list(policy.document(arn_of("RunRole"))["Statement"])


@pytest.mark.parametrize(
    "call",
    [
        *objects("ArtifactsBucket", RunKeys(OTHER).plan, "GetObject", "PutObject"),
        *objects("ArtifactsBucket", RunKeys(OTHER_OF_DEMO).plan, "GetObject", "PutObject"),
        *objects("ArtifactsBucket", artifact_key("demo", "a" * 64), "PutObject"),
        *objects("ArtifactsBucket", artifact_key("acme", "a" * 64), "GetObject", "PutObject"),
        *objects("UploadsBucket", UPLOAD, "GetObject", "PutObject"),
        *objects("UploadsBucket", "acme/houses/train.csv", "GetObject", "PutObject"),
        Call(action="s3:ListBucket", resource=arn_of("ArtifactsBucket"), context={"s3:prefix": ["tenants/acme/"]}),
        Call(action="s3:ListBucket", resource=arn_of("ArtifactsBucket"), context={"s3:prefix": [""]}),
        Call(action="s3:ListBucket", resource=arn_of("ArtifactsBucket")),
        *items(OTHERS, "GetItem", "UpdateItem"),
        *items(VERSION, "UpdateItem"),
        *items(OTHERS_VERSION, "UpdateItem"),
        *listed("RUN"),
        *items(API_KEY, "GetItem"),
        *on(arn_of("Pipeline"), "states:StartExecution"),
        *on(arn_of("PredictFunction"), "lambda:InvokeFunction"),
    ],
)
def test_user_code_cannot_reach_another_tenant_or_run(call: Call) -> None:
    assert not (is_allowed(call, statements_of("RunRole"), TAGS) and is_allowed(call, _session()))


def test_user_code_can_reach_its_run() -> None:
    own = [*objects("ArtifactsBucket", KEYS.plan, "GetObject", "PutObject"), *LOGS]
    assert [call for call in own if not is_allowed(call, statements_of("RunRole"), TAGS)] == []
    assert [call for call in own if not is_allowed(call, _session())] == []


def _client_calls() -> set[str]:
    """Return the operations that the adapters call on their clients, paginators included."""
    found = set()
    for path in (ROOT / "pipeline" / "cloud").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr == "get_paginator":
                found.add(ast.literal_eval(node.args[0]))
            elif isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "_client":
                found.add(node.func.attr)
    return found


def test_every_operation_of_the_adapters_has_an_entry_in_permissions() -> None:
    assert _client_calls() == set(PERMISSIONS) | OPERATORS


def test_roles_have_only_permissions_that_an_operation_needs() -> None:
    needed = {action for actions in PERMISSIONS.values() for action in actions}
    needed |= {
        "cloudformation:DescribeStacks",
        "s3:AbortMultipartUpload",
        "sts:AssumeRole",
        "sts:TagSession",
        "dynamodb:ConditionCheckItem",
    }
    for name in (set(MADE) | set(TENANT_ROLES)) - STATE_MACHINES:
        for statement in statements_of(name):
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert set(actions) <= needed
