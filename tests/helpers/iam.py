"""Evaluate IAM policies of the template: whether a statement allows a call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from tests.helpers.template import template

__all__ = ["STACK_ID", "Call", "arn_of", "is_allowed", "may_take", "statements_of", "tenant_role_of"]

ACCOUNT, REGION, STACK = "123456789012", "us-east-1", "modeldrop"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1"
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::StackName": STACK,
    "AWS::StackId": STACK_ID,
    "AWS::NoValue": None,
}
_ARNS = {  # resource type -> ARN of the resource ``name``
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:123456789012:table/{name}",
    "AWS::Serverless::Function": "arn:aws:lambda:us-east-1:123456789012:function:{name}",
    "AWS::Serverless::StateMachine": "arn:aws:states:us-east-1:123456789012:stateMachine:{name}",
    "AWS::Batch::JobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/{name}",
    "AWS::Batch::JobDefinition": "arn:aws:batch:us-east-1:123456789012:job-definition/modeldrop-{name}:1",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/{name}",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """An action on a resource; ``context`` maps condition keys to their values."""

    action: str
    resource: str
    context: Mapping[str, list[str]] = field(default_factory=dict)


def arn_of(name: str) -> str:
    return _ARNS[template()["Resources"][name]["Type"]].format(name=name)


def statements_of(name: str) -> list[dict[str, Any]]:
    """Return the policy statements of a function, a state machine or a role, with its attached policies."""
    resource = template()["Resources"][name]
    policies = [policy.get("PolicyDocument", policy) for policy in resource["Properties"].get("Policies", [])]
    attached = template()["Resources"].values()
    policies += [
        other["Properties"]["PolicyDocument"]
        for other in attached
        if other["Type"] == "AWS::IAM::Policy" and {"Ref": _role_name(name)} in other["Properties"]["Roles"]
    ]
    return [statement for policy in policies for one in policy["Statement"] for statement in _chosen(one)]


def tenant_role_of(name: str) -> str | None:
    """Return the role that a function, or the jobs of a role, assume for a run's tenant; None if they assume none."""
    resource = template()["Resources"][name]
    if resource["Type"] == "AWS::Serverless::Function":
        return _named_role(resource["Properties"]["Environment"]["Variables"].get("TENANT_ROLE_ARN"))
    roles = {_tenant_role_of_job(container) for container in _containers() if container["JobRoleArn"] == _arn(name)}
    return roles.pop() if len(roles) == 1 else None


def may_take(name: str, role: str, tags: Mapping[str, str]) -> bool:
    """Return whether ``name`` may assume ``role`` with ``tags``, by its own policy and the role's trust policy."""
    call = Call(action="sts:AssumeRole", resource=arn_of(role))
    (trust,) = template()["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    actions = ("sts:AssumeRole", "sts:TagSession")
    context = {f"aws:RequestTag/{key}": [value] for key, value in tags.items()}
    is_trusted = _arn(_role_name(name)) in _list(trust["Principal"].get("AWS", []))
    conditions = trust.get("Condition", {}).items()
    return (
        all(is_allowed(replace(call, action=action), statements_of(name)) for action in actions)
        and set(actions) <= set(trust["Action"])
        and is_trusted
        and all(_holds(operator, tests, replace(call, context=context), {}) for operator, tests in conditions)
    )


def is_allowed(call: Call, statements: list[dict[str, Any]], tags: Mapping[str, str] | None = None) -> bool:
    """Return whether one of the statements allows the call; ``tags`` are the tags of the caller's session."""
    assert all(statement["Effect"] == "Allow" for statement in statements), "only Allow is written"
    return any(_matches(call, statement, tags or {}) for statement in statements)


def _role_name(name: str) -> str:
    """Return the name that SAM gives to a function's role, or the name of the role itself."""
    return f"{name}Role" if template()["Resources"][name]["Type"] == "AWS::Serverless::Function" else name


def _arn(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


def _containers() -> Iterator[Mapping[str, Any]]:
    """Yield the containers of all job definitions."""
    for resource in template()["Resources"].values():
        if resource["Type"] != "AWS::Batch::JobDefinition":
            continue
        properties = resource["Properties"]
        nodes = properties.get("NodeProperties", {}).get("NodeRangeProperties", [])
        yield from (node["Container"] for node in nodes)
        if "ContainerProperties" in properties:
            yield properties["ContainerProperties"]


def _tenant_role_of_job(container: Mapping[str, Any]) -> str | None:
    variables = {variable["Name"]: variable["Value"] for variable in container["Environment"]}
    return _named_role(variables.get("TENANT_ROLE_ARN"))


def _named_role(value: Any) -> str | None:
    return str(value["Fn::GetAtt"][0]) if value else None


def _matches(call: Call, statement: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    resources = [_with_tags(resolved, tags) for one in _list(statement["Resource"]) if (resolved := _resolved(one))]
    return (
        any(fnmatchcase(call.action, action) for action in _list(statement["Action"]))
        and any(resource is not None and fnmatchcase(call.resource, resource) for resource in resources)
        and all(_holds(operator, tests, call, tags) for operator, tests in statement.get("Condition", {}).items())
    )


def _with_tags(text: str, tags: Mapping[str, str]) -> str | None:
    """Replace IAM's variables for session tags; None, which matches nothing, if the session lacks a tag."""
    names = re.findall(r"\$\{aws:PrincipalTag/(\w+)\}", text)
    if not set(names) <= set(tags):
        return None
    for name in names:
        text = text.replace(f"${{aws:PrincipalTag/{name}}}", tags[name])
    return text


def _holds(operator: str, tests: Mapping[str, Any], call: Call, tags: Mapping[str, str]) -> bool:
    quantifier, _, comparison = operator.rpartition(":")
    for key, written in tests.items():
        patterns = [pattern for one in _list(written) if (pattern := _with_tags(one, tags)) is not None]
        values = call.context.get(key, [])
        if comparison == "Null":
            if written != str(not values).lower():
                return False
            continue
        if quantifier != "ForAllValues" and not values:
            return False
        matched = [any(_equal(comparison, value, pattern) for pattern in patterns) for value in values]
        if "Not" in comparison:
            matched = [not found for found in matched]
        if not all(matched):
            return False
    return True


def _equal(comparison: str, value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern) if comparison.endswith("Like") else value == pattern


def _chosen(statement: Any) -> Iterator[dict[str, Any]]:
    """Yield the statement, with each condition of the template taken as true; nothing for AWS::NoValue."""
    if "Fn::If" in statement:
        statement = statement["Fn::If"][1]
    if statement != {"Ref": "AWS::NoValue"}:
        yield statement


def _resolved(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if "Fn::If" in value:
        return _resolved(value["Fn::If"][1])
    if "Ref" in value:
        name = value["Ref"]
        return _PSEUDO[name] if name in _PSEUDO else arn_of(name)
    if "Fn::GetAtt" in value:
        name, attribute = value["Fn::GetAtt"]
        return arn_of(name) if attribute == "Arn" else str(name)
    return re.sub(r"\$\{([^}]+)\}", lambda found: _named(found[1]), value["Fn::Sub"])


def _named(name: str) -> str:
    if name.startswith("!"):
        return f"${{{name[1:]}}}"  # a variable of IAM, which CloudFormation does not replace
    if name in _PSEUDO:
        return str(_PSEUDO[name])
    logical, _, attribute = name.partition(".")
    return arn_of(logical) if attribute == "Arn" else logical


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
