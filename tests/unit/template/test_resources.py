"""The resources of the template are private, least privileged, free while idle, and deployable."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pipeline.bootstrap import settings
from pipeline.lambda_handlers import metrics
from tests.helpers.template import ROOT, resources, template, transformed

FUNCTIONS = resources("AWS::Serverless::Function")
SETTINGS = {
    "StartRunFunction": settings.StarterSettings,
    "ValidateDatasetFunction": settings.ValidatorSettings,
    "PlanTrainingFunction": settings.PlannerSettings,
    "CollectJobFunction": settings.StageSettings,
    "SelectVariantFunction": settings.StageSettings,
    "EvaluateModelFunction": settings.StageSettings,
    "RegisterModelFunction": settings.RegistrarSettings,
    "SmokeTestFunction": settings.SmokeTestSettings,
    "PromoteModelFunction": settings.StageSettings,
    "RecordFailureFunction": settings.FailureSettings,
    "FailLostRunsFunction": settings.LostRunSettings,
    "CheckRolloutsFunction": settings.RegistryTaskSettings,
    "PurgeVersionsFunction": settings.RegistryTaskSettings,
    "PredictFunction": settings.PredictorSettings,
    "DescribeModelsFunction": settings.DescriberSettings,
    "ManageRegistryFunction": settings.ManagerSettings,
    "GrantUploadFunction": settings.UploadSettings,
    "PublishChangesFunction": settings.PublisherSettings,
    "AuthorizeRequestFunction": settings.AuthorizerSettings,
}
FILLED_IN = {
    "TABLE_NAME": "modeldrop-Table",
    "UPLOADS_BUCKET": "uploads",
    "ARTIFACTS_BUCKET": "artifacts",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:modeldrop-pipeline",
    "PREDICT_FUNCTION": "modeldrop-predict",
    "CODE_VERSION": "0.1.0",
    "MODELDROP_CODE": "refused",
    "ALIAS_SECONDS": "5",
    "LARGE_BYTES": "268435456",
    "TENANT_ROLE_ARN": "arn:aws:iam::123456789012:role/modeldrop-RunRole-1ABC",
    "GATEWAY_KEY": "315c1398-40ff-a850-213b-158f73e60175",
}


def _folder(function: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", function.removesuffix("Function")).lower()


def _statements(policies: list[Any]) -> list[dict[str, Any]]:
    documents = [policy.get("PolicyDocument", policy) for policy in policies]
    return [statement for document in documents for statement in document["Statement"]]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_functions_and_folders_correspond() -> None:
    assert {_folder(name) for name in FUNCTIONS} == {path.parent.name for path in ROOT.glob("functions/*/app.py")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_folder_permissions_and_a_log_group(name: str) -> None:
    function = FUNCTIONS[name]
    groups = resources("AWS::Logs::LogGroup")
    assert function["CodeUri"] == f"functions/{_folder(name)}/"
    assert ("Policies" in function) != ("TENANT_ROLE_ARN" in function["Environment"]["Variables"])
    assert groups[function["LoggingConfig"]["LogGroup"]["Ref"]]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert {"Ref": "PipelineLayer"} in function["Layers"]
    assert not list((ROOT / function["CodeUri"]).glob("requirements*.txt"))  # what it needs is in its layers
    assert "FunctionName" not in function  # `sam local start-api` cannot find an authorizer whose name is composed


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_environment_of_a_function_satisfies_its_settings(name: str) -> None:
    variables = FUNCTIONS[name]["Environment"]["Variables"]
    SETTINGS[name].from_env({variable: FILLED_IN[variable] for variable in variables if variable in FILLED_IN})


def test_functions_do_not_refer_to_the_state_machine_or_the_api_in_a_cycle() -> None:
    knows = {"StartRunFunction", "FailLostRunsFunction", "ManageRegistryFunction"}  # any other would be a circle
    for name, function in FUNCTIONS.items():
        environment = json.dumps(function["Environment"])
        assert '"Api"' not in environment
        assert ('"Ref": "Pipeline"' in environment) == (name in knows)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_policies_have_no_wildcard_actions_or_resources(name: str) -> None:
    for statement in _statements(FUNCTIONS[name].get("Policies", [])):
        assert not any("*" in action for action in _list(statement["Action"]))
        assert "*" not in _list(statement["Resource"])


def test_only_the_authorizer_may_read_keys_and_others_only_tenant_items() -> None:
    for name, function in FUNCTIONS.items():
        prefixes = [["KEY#*", "ACCOUNT#*"]] if name == "AuthorizeRequestFunction" else [["TENANT#*"]]
        if name in ("AuthorizeRequestFunction", "StartRunFunction"):
            prefixes.append(["ACCOUNT#*"])  # owners of shared models, in a batch; the status of an upload's tenant
        if name in ("PredictFunction", "CheckRolloutsFunction"):
            prefixes.append(["ROLLOUT#*"])  # counters, in a statement of their own
        if name == "PurgeVersionsFunction":
            prefixes.append(["TENANT#*#MODEL#*"])  # versions, in a statement of their own
        if name in ("PredictFunction", "DescribeModelsFunction", "PublishChangesFunction"):
            prefixes.append(["AUDIT#*"])  # denied calls
        for statement in _statements(function.get("Policies", [])):
            if statement["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}:
                assert statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] in prefixes


def test_only_batch_actions_without_resources_are_allowed_on_all_resources() -> None:
    everywhere = {
        action
        for machine in resources("AWS::Serverless::StateMachine").values()
        for statement in _statements(machine["Policies"])
        if statement.get("Resource") == "*"
        for action in _list(statement["Action"])
    }
    assert {action for action in everywhere if not action.startswith("logs:")} == {
        "batch:CancelJob",
        "batch:DescribeJobs",
        "batch:TerminateJob",
    }
    assert not any("*" in action for action in everywhere)


@pytest.mark.parametrize("name", ["UploadsBucket", "ArtifactsBucket"])
def test_a_bucket_is_encrypted_versioned_private_and_tls_only(name: str) -> None:
    bucket = resources("AWS::S3::Bucket")[name]
    (policy,) = [p for p in resources("AWS::S3::BucketPolicy").values() if p["Bucket"] == {"Ref": name}]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)


def test_the_uploads_queue_outlasts_the_function_and_has_dead_letters() -> None:
    queue = resources("AWS::SQS::Queue")["UploadsQueue"]
    starter = FUNCTIONS["StartRunFunction"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert queue["VisibilityTimeout"] >= 6 * starter["Timeout"]
    assert starter["Events"]["Uploaded"]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_each_sender_has_a_separate_dead_letter_queue() -> None:
    (rule,) = [rule for name, rule in resources("AWS::Events::Rule").items() if name == "UploadedRule"]
    recorder = FUNCTIONS["RecordFailureFunction"]
    uploads = resources("AWS::SQS::Queue")["UploadsQueue"]["RedrivePolicy"]["deadLetterTargetArn"]
    events = rule["Targets"][0]["DeadLetterConfig"]["Arn"]
    failures = recorder["Events"]["ExecutionEnded"]["Properties"]["DeadLetterConfig"]["Arn"]
    queues = [arn["Fn::GetAtt"][0] for arn in (uploads, events, failures)]
    assert len(set(queues)) == 3
    assert recorder["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"] == failures
    may_be_sent_to = {policy["Queues"][0]["Ref"] for policy in resources("AWS::SQS::QueuePolicy").values()}
    assert may_be_sent_to == {"UploadsQueue", *queues[1:]}  # SQS needs no permission for its own redrive
    assert {f"{queue}Url" for queue in queues} <= set(template()["Outputs"])


def test_a_change_that_cannot_be_published_goes_to_dead_letters_with_an_alarm() -> None:
    """Lambda's rules: a stream's batch is halved after an error; what fails alone goes to the destination."""
    stream = FUNCTIONS["PublishChangesFunction"]["Events"]["Changed"]["Properties"]
    assert stream["BisectBatchOnFunctionError"]
    assert 1 <= stream["MaximumRetryAttempts"] <= 10_000
    assert 60 <= stream["MaximumRecordAgeInSeconds"] <= 604_800
    queue = {"Fn::GetAtt": ["ChangeDeadLetters", "Arn"]}
    mapping = transformed()["Resources"]["PublishChangesFunctionChanged"]["Properties"]
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": queue}}
    role = transformed()["Resources"]["PublishChangesFunctionRole"]["Properties"]["Policies"]
    statements = [entry for policy in role for entry in policy["PolicyDocument"]["Statement"]]
    assert [entry["Resource"] for entry in statements if "sqs:SendMessage" in entry["Action"]] == [queue]
    alarm = resources("AWS::CloudWatch::Alarm")["UnpublishedChanges"]
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["ChangeDeadLetters", "QueueName"]}}]
    assert "ChangeDeadLettersUrl" in template()["Outputs"]


@pytest.mark.parametrize(
    ("name", "function"), [("RolledBackCanaries", "check_rollouts"), ("FailedPurges", "purge_versions")]
)
def test_an_alarm_watches_a_metric_that_a_function_writes(name: str, function: str) -> None:
    alarm = resources("AWS::CloudWatch::Alarm")[name]
    namespace = template()["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    written = (ROOT / "functions" / function / "app.py").read_text()
    assert (alarm["Namespace"], f'count("{alarm["MetricName"]}"' in written) == (namespace, True)
    assert alarm["Dimensions"] == [{"Name": "service", "Value": metrics.service}]
    assert alarm["TreatMissingData"] == "notBreaching"  # nothing is written for none


def test_reserved_concurrency_is_off_by_default_and_upload_concurrency_is_limited() -> None:
    """A new account may run 10 executions at once, of which none can be reserved."""
    for name, parameter in (
        ("PredictFunction", "PredictConcurrency"),
        ("AuthorizeRequestFunction", "AuthorizerConcurrency"),
    ):
        reserved = FUNCTIONS[name]["ReservedConcurrentExecutions"]["Fn::If"]
        assert reserved[1:] == [{"Ref": parameter}, {"Ref": "AWS::NoValue"}]
        assert template()["Parameters"][parameter]["Default"] == 0
    source = FUNCTIONS["StartRunFunction"]["Events"]["Uploaded"]["Properties"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "UploadConcurrency"}}
    assert template()["Parameters"]["UploadConcurrency"]["MinValue"] == 2  # Lambda takes no less


def test_only_an_interrupted_or_killed_job_is_retried() -> None:
    for job in resources("AWS::Batch::JobDefinition").values():
        if job["Type"] == "multinode":
            continue
        first, _, short_of_memory, killed, last = job["RetryStrategy"]["EvaluateOnExit"]  # five are Batch's most
        on_fargate = job["PlatformCapabilities"] == ["FARGATE"]
        interrupted = "Your Spot Task was interrupted*" if on_fargate else "Host EC2*"
        assert first == {"OnStatusReason": interrupted, "Action": "RETRY"}
        assert short_of_memory == {"OnReason": "OutOfMemoryError:*", "Action": "EXIT"}
        assert killed == {"OnExitCode": "13*", "Action": "RETRY"}
        assert last == {"OnReason": "*", "Action": "EXIT"}
        assert job["Timeout"]["AttemptDurationSeconds"] == {"Ref": "JobSeconds"}


def test_a_queue_cancels_a_job_that_gets_no_machine() -> None:
    queues = resources("AWS::Batch::JobQueue")
    assert len(queues) == 6
    for queue in queues.values():
        reasons = {action["Reason"] for action in queue["JobStateTimeLimitActions"]}
        assert "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" in reasons
        assert all(action["MaxTimeSeconds"] for action in queue["JobStateTimeLimitActions"])


def test_idle_resources_cost_nothing_by_default() -> None:
    always = [resource for resource in template()["Resources"].values() if "Condition" not in resource]
    kinds = {resource["Type"] for resource in always}
    assert not kinds & {"AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::KMS::Key", "AWS::EC2::Instance"}
    assert all(e.get("VpcEndpointType", "Gateway") == "Gateway" for e in resources("AWS::EC2::VPCEndpoint").values())
    assert all(t["BillingMode"] == "PAY_PER_REQUEST" for t in resources("AWS::DynamoDB::Table").values())
    machines = resources("AWS::Batch::ComputeEnvironment").values()
    assert all(machine["ComputeResources"].get("MinvCpus", 0) == 0 for machine in machines)
    paid = {name for name, f in FUNCTIONS.items() if "ProvisionedConcurrencyConfig" in f or "SnapStart" in f}
    assert paid == {"PredictFunction"}
    predict = FUNCTIONS["PredictFunction"]
    assert predict["SnapStart"] == {"ApplyOn": {"Fn::If": ["UsesSnapStart", "PublishedVersions", "None"]}}
    assert predict["ProvisionedConcurrencyConfig"]["Fn::If"][::2] == ["KeepsPredictorsReady", {"Ref": "AWS::NoValue"}]
    assert template()["Parameters"]["PredictStart"]["Default"] == "on-demand"  # neither of them


def test_the_predict_function_meets_the_requirements_of_snapstart() -> None:
    predict = FUNCTIONS["PredictFunction"]
    assert predict["AutoPublishAlias"]  # it is of published versions
    assert predict["EphemeralStorage"]["Size"]["Fn::If"][:2] == ["UsesSnapStart", 512]
    assert "FileSystemConfigs" not in predict


def test_machines_of_jobs_accept_no_inbound_traffic() -> None:
    for name, group in resources("AWS::EC2::SecurityGroup").items():
        assert name == "ServerSecurityGroup" or "SecurityGroupIngress" not in group
        assert [rule["ToPort"] for rule in group["SecurityGroupEgress"]] == [443]


def test_multi_node_machines_are_optional_on_demand_and_in_a_private_subnet() -> None:
    assert template()["Parameters"]["MultiNode"]["Default"] == "none"
    for kind in ("EIP", "NatGateway", "SecurityGroupIngress", "SecurityGroupEgress"):
        (resource,) = [
            resource for resource in template()["Resources"].values() if resource["Type"] == f"AWS::EC2::{kind}"
        ]
        assert resource["Condition"] == "HasMultiNode"
    machines = resources("AWS::Batch::ComputeEnvironment")["MultiNodeMachines"]["ComputeResources"]
    subnet = resources("AWS::EC2::Subnet")["PrivateSubnet"]
    assert (machines["Type"], machines["Subnets"]) == ("EC2", [{"Ref": "PrivateSubnet"}])
    assert "MapPublicIpOnLaunch" not in subnet
    (hears,) = resources("AWS::EC2::SecurityGroupIngress").values()
    assert hears["GroupId"] == hears["SourceSecurityGroupId"] == {"Ref": "NodesSecurityGroup"}


def test_a_multi_node_job_is_retried_only_by_the_state_machine() -> None:
    job = resources("AWS::Batch::JobDefinition")["MultiNodeTrainJob"]
    (nodes,) = job["NodeProperties"]["NodeRangeProperties"]
    assert job["RetryStrategy"] == {"Attempts": 1}
    assert (job["NodeProperties"]["MainNode"], nodes["TargetNodes"]) == (0, "0:")


def _references(value: Any) -> set[str]:
    """Logical ids that a value needs: Ref, GetAtt, Sub."""
    if isinstance(value, list):
        return set().union(*map(_references, value))
    if not isinstance(value, dict):
        return set()
    names = set().union(*map(_references, value.values()))
    if "Ref" in value:
        names.add(value["Ref"])
    if "Fn::GetAtt" in value:
        names.add(value["Fn::GetAtt"][0])
    if "Fn::Sub" in value:
        text = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
        names |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}
    return names


def test_the_template_has_no_dependency_cycles() -> None:
    all_resources = transformed()["Resources"]
    waiting = {
        name: (_references(resource) | set(_list(resource.get("DependsOn", [])))) & set(all_resources)
        for name, resource in all_resources.items()
    }
    while ready := {name for name, needed in waiting.items() if not needed}:
        waiting = {name: needed - ready for name, needed in waiting.items() if name not in ready}
    assert waiting == {}


def test_the_template_has_the_outputs_that_the_command_reads() -> None:
    asked = {"UploadsBucket", "ArtifactsBucket", "ApiUrl", "TableName", "StateMachineArn", "QueueUrl"}
    assert set(template()["Outputs"]) >= asked | {"DeadLetterQueueUrl", "ImageRepository"}


def test_layers_pin_the_versions_that_are_tested() -> None:
    def pins(path: Any) -> dict[str, str]:
        lines = [line for line in path.read_text().splitlines() if "==" in line]
        return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}

    tested = pins(ROOT / "constraints.txt")
    for requirements in ROOT.glob("layers/*/requirements.txt"):
        assert pins(requirements).items() <= tested.items()


def test_rollouts_are_checked_every_minute_within_a_minute() -> None:
    function = FUNCTIONS["CheckRolloutsFunction"]
    assert function["Events"]["Tick"]["Properties"]["Schedule"] == "rate(1 minute)"
    assert function["Timeout"] <= 60


def test_lost_runs_are_checked_every_15_minutes_within_that_time() -> None:
    function = FUNCTIONS["FailLostRunsFunction"]
    assert function["Events"]["Tick"]["Properties"]["Schedule"] == "rate(15 minutes)"
    assert function["Timeout"] < 15 * 60
