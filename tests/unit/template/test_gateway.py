"""The API gateway of the template: routes, authorization, gateway responses and sign-in."""

from __future__ import annotations

import json
from typing import Any

from pipeline.registry.roles import ROLES
from pipeline.registry.tenants import TIERS
from pipeline.serving.api.routes import ROUTES
from tests.helpers.template import resources, template, transformed

FUNCTIONS = resources("AWS::Serverless::Function")


def rest_api() -> dict[str, Any]:
    """Return the REST API of the transformed template."""
    (api,) = [
        resource for resource in transformed()["Resources"].values() if resource["Type"] == "AWS::ApiGateway::RestApi"
    ]
    return api


def test_every_route_except_the_public_ones_requires_an_api_key() -> None:
    api = rest_api()["Properties"]
    routes = {(verb, path) for path, item in api["Body"]["paths"].items() for verb in item}
    version, registered = "/v2/models/{model}/versions/{version}", "/registry/models/{model}"
    asked = {"/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{model}", "/v2/models/{model}/ready"}
    asked |= {version, f"{version}/ready", "/registry/models", registered, f"{registered}/versions/{{version}}"}
    assert routes >= {("get", path) for path in asked}
    assert routes >= {("post", "/v2/models/{model}/infer"), ("post", f"{version}/infer")}
    assert routes >= {("get", f"{registered}/history"), ("put", f"{registered}/aliases/{{alias}}")}
    assert routes >= {("post", f"{registered}/rollback"), ("delete", f"{registered}/versions/{{version}}")}
    assert ("post", "/registry/runs/{run}/cancel") in routes
    for verb, path in routes:
        assert verb in ("get", "post", "put", "delete", "options")
        is_public = verb == "options" or path in ("/openapi.json", "/docs")  # the same for everybody
        security = [] if is_public else [{"ApiKey": []}, {"api_key": []}]
        assert all(scheme in api["Body"]["paths"][path][verb]["security"] for scheme in security)
    assert api["ApiKeySourceType"] == "AUTHORIZER"


def test_a_shared_model_has_every_route_of_an_owned_model() -> None:
    api = rest_api()["Properties"]
    routes = {(verb, path) for path, item in api["Body"]["paths"].items() for verb in item if verb != "options"}
    own = {(method.lower(), template) for _, method, template in ROUTES if template.startswith("/v2/models/{model}")}
    assert own <= routes
    shared = {(verb, path.replace("{model}", "{model}/{shared}")) for verb, path in own}
    assert shared <= routes
    assert {("get", "/v1/models/{proxy+}"), ("post", "/v1/models/{proxy+}")} <= routes  # both kinds


def test_path_variables_at_the_same_position_have_the_same_name() -> None:
    """API Gateway refuses two: "A sibling ({model}) of this resource already has a variable path part"."""
    api = rest_api()["Properties"]
    names: dict[str, set[str]] = {}
    for path in api["Body"]["paths"]:
        parts = path.split("/")
        for number, part in enumerate(parts):
            if part.startswith("{"):
                names.setdefault("/".join(parts[:number]), set()).add(part)
    assert len(names) > 5
    assert {place: variables for place, variables in names.items() if len(variables) > 1} == {}


def test_each_prediction_route_has_a_preflight_method_without_a_key() -> None:
    api = rest_api()["Properties"]
    paths = api["Body"]["paths"]
    predicting = [path for path, item in paths.items() if "post" in item and not path.startswith("/registry")]
    assert predicting
    for path in predicting:
        assert "options" in paths[path]
        assert {"api_key": []} not in paths[path]["options"].get("security", [])


def test_no_function_handles_options_and_another_method_of_the_same_path() -> None:
    for name, function in resources("AWS::Serverless::Function").items():
        events = [event["Properties"] for event in function.get("Events", {}).values() if event["Type"] == "Api"]
        asked = {event["Path"] for event in events if event["Method"] == "options"}
        others = {event["Path"] for event in events if event["Method"] != "options"}
        assert not asked & others, f"sam local would give all methods of {name} one authorizer"


def test_gateway_responses_have_the_error_format_of_the_functions() -> None:
    (api,) = resources("AWS::Serverless::Api").values()
    codes = {kind: response.get("StatusCode") for kind, response in api["GatewayResponses"].items()}
    assert set(codes.values()) >= {401, 403, 404, 413, 429, 504}
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= set(codes)
    for kind, response in api["GatewayResponses"].items():
        if kind == "UNAUTHORIZED":
            continue  # the next test
        text = response["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"said"')
        assert list(json.loads(text)) == ["error"]


def test_the_refusal_of_a_request_without_a_credential_names_the_header() -> None:
    (api,) = resources("AWS::Serverless::Api").values()
    _, mapping, (key, name) = [None, "NoCredential", ({"Ref": "CredentialHeader"}, "Response")]
    response = api["GatewayResponses"]["UNAUTHORIZED"]["ResponseTemplates"]["application/json"]
    assert response == {"Fn::FindInMap": [mapping, key, name]}
    sentences = {header: json.loads(entry[name])["error"] for header, entry in template()["Mappings"][mapping].items()}
    assert set(sentences) == set(template()["Parameters"]["CredentialHeader"]["AllowedValues"])
    read = {
        header: {word for word in ("x-api-key", "authorization") if word in sentence}
        for header, sentence in sentences.items()
    }
    assert read == {
        "x-api-key": {"x-api-key"},
        "Authorization": {"authorization"},
        "Host": {"x-api-key", "authorization"},
    }


def test_the_names_in_a_mapping_are_alphanumeric() -> None:
    """AWS: "The name within a mapping must contain only alphanumeric characters"; its keys may have hyphens."""
    for mapping in template()["Mappings"].values():
        for entry in mapping.values():
            assert all(name.isalnum() and isinstance(value, str) for name, value in entry.items())


def test_removing_the_user_pool_by_a_parameter_keeps_its_users() -> None:
    kinds = ("UserPool", "UserPoolClient", "UserPoolGroup")  # groups are roles: with one its members lose theirs
    user_pools = {name: resource for kind in kinds for name, resource in resources(f"AWS::Cognito::{kind}").items()}
    assert len(user_pools) == 6
    for name, resource in template()["Resources"].items():
        if name in user_pools:
            policies = (resource["DeletionPolicy"], resource["UpdateReplacePolicy"], resource["Condition"])
            assert policies == ("RetainExceptOnCreate", "Retain", "HasUserPool")


def test_a_throttled_request_gets_retry_after() -> None:
    (api,) = resources("AWS::Serverless::Api").values()
    for kind in ("THROTTLED", "QUOTA_EXCEEDED"):
        assert int(api["GatewayResponses"][kind]["ResponseParameters"]["Headers"]["Retry-After"].strip("'")) > 0


def test_each_tier_has_a_usage_plan_with_limits_and_an_output() -> None:
    plans, outputs = resources("AWS::ApiGateway::UsagePlan"), template()["Outputs"]
    for tier in TIERS:
        plan = plans[outputs[f"{tier.capitalize()}UsagePlan"]["Value"]["Ref"]]
        assert set(plan["Throttle"]) == {"RateLimit", "BurstLimit"}
        assert plan["Quota"]["Period"] == "DAY"
    assert len(plans) == len(TIERS)


def test_authorizer_responses_are_cached_for_at_most_30_seconds() -> None:
    (api,) = resources("AWS::Serverless::Api").values()
    identity = api["Auth"]["Authorizers"]["ApiKey"]["Identity"]
    assert identity == {
        "Headers": [{"Ref": "CredentialHeader"}],
        "ReauthorizeEvery": {"Fn::If": ["CachesNoCallers", 0, 30]},
    }
    assert template()["Conditions"]["CachesNoCallers"] == {"Fn::Equals": [{"Ref": "CredentialHeader"}, "Host"]}


def test_the_identity_source_of_the_authorizer_is_resolved_by_the_transform() -> None:
    """SAM resolves a parameter in Identity.Headers; an intrinsic function that it cannot resolve would be lost."""
    api = rest_api()
    scheme = api["Properties"]["Body"]["components"]["securitySchemes"]["ApiKey"]["x-amazon-apigateway-authorizer"]
    assert scheme["identitySource"] == "method.request.header.x-api-key"
    assert scheme["authorizerResultTtlInSeconds"] == {"Fn::If": ["CachesNoCallers", 0, 30]}


def test_users_of_the_pool_cannot_change_their_tenant_or_role() -> None:
    """Users may write the WriteAttributes of their client; only administrators change groups."""
    (client,) = resources("AWS::Cognito::UserPoolClient").values()
    (pool,) = resources("AWS::Cognito::UserPool").values()
    variables = FUNCTIONS["AuthorizeRequestFunction"]["Environment"]["Variables"]
    assert variables["JWT_TENANT_CLAIM"]["Fn::If"][1] == "custom:tenant"
    assert variables["JWT_ROLES_CLAIM"]["Fn::If"][1] == "cognito:groups"
    assert client["WriteAttributes"] == ["email"]
    assert "custom:tenant" in client["ReadAttributes"]  # an ID token has what its client may read
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    groups = {group["GroupName"] for group in resources("AWS::Cognito::UserPoolGroup").values()}
    assert groups == set(ROLES)


def test_the_user_pool_is_optional() -> None:
    pools = [resource for resource in template()["Resources"].values() if resource["Type"].startswith("AWS::Cognito::")]
    assert len(pools) == 6
    assert {resource["Condition"] for resource in pools} == {"HasUserPool"}


def test_only_the_authorizer_has_the_tokens_layer() -> None:
    users = [name for name, function in FUNCTIONS.items() if {"Ref": "TokensLayer"} in function["Layers"]]
    assert users == ["AuthorizeRequestFunction"]


def test_the_authorizer_returns_the_key_of_the_gateway() -> None:
    (key,) = resources("AWS::ApiGateway::ApiKey").values()
    assert FUNCTIONS["AuthorizeRequestFunction"]["Environment"]["Variables"]["GATEWAY_KEY"] == key["Value"]
