"""Send the golden rows to the deployed predict function before a version becomes READY."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.contracts.errors import SmokeTestFailedError, TransientError
from pipeline.contracts.object_keys import SMOKE_TEST
from pipeline.contracts.ports import FunctionCalls
from pipeline.contracts.records.model_version import GoldenPredictions, VersionRecord
from pipeline.evaluation.golden.comparison import compare_predictions

__all__ = ["smoke_test"]

_OK, _BUSY = 200, 503


def smoke_test(
    version: VersionRecord, golden: GoldenPredictions, *, calls: FunctionCalls, predict_function: str
) -> None:
    """Compare the deployed function's predictions with the golden ones.

    Labels must be equal; probabilities and values may differ by ``golden.tolerance``, relative for magnitudes above 1.

    Args:
        version: Version to test.
        golden: Rows and their expected predictions.
        calls: Calls the function.
        predict_function: Name or ARN of the predict function.

    Raises:
        SmokeTestFailedError: The function responds with an error, or a prediction differs.
        TransientError: The function is busy.
    """
    response = calls.call(predict_function, _predict_event(version, golden.rows))
    body = json.loads(response["body"])
    if response["statusCode"] == _BUSY:
        raise TransientError("the predict function is busy")
    if response["statusCode"] != _OK:
        reason = body.get("error", "no reason")
        raise SmokeTestFailedError(
            f"version {version.version} responded to the golden rows with status {response['statusCode']}: {reason}"
        )
    comparison = compare_predictions(body["predictions"], golden.predictions, golden.tolerance)
    if not comparison.is_equal:
        raise SmokeTestFailedError(
            f"version {version.version} predicts {comparison.rows - comparison.equal} of {comparison.rows} golden rows "
            f"differently"
        )


def _predict_event(version: VersionRecord, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the event that API Gateway would send after its authorizer."""
    resource = "/v2/models/{model}/versions/{version}/infer"
    path_parameters = {"model": version.model, "version": str(version.version)}
    path = resource.format(**path_parameters)
    headers = {"content-type": "application/json"}
    return {
        "resource": resource,
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": path_parameters,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": "POST",
            "path": path,
            "requestId": "smoke-test",
            "identity": {"sourceIp": "127.0.0.1"},
            "authorizer": {"tenant": version.tenant, "principal": SMOKE_TEST, "permissions": "predict,read"},
        },
        "body": json.dumps({"rows": rows}),
        "isBase64Encoded": False,
    }
