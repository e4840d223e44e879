"""The golden rows through the real predict function, before a version is READY."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.contracts.errors import SmokeTestFailedError, TransientError
from pipeline.contracts.object_keys import SMOKE_TEST
from pipeline.contracts.ports import FunctionCalls
from pipeline.contracts.records.model_version import GoldenPredictions, VersionRecord

__all__ = ["smoke_test"]

_OK, _BUSY = 200, 503


def smoke_test(
    version: VersionRecord, golden: GoldenPredictions, *, calls: FunctionCalls, predict_function: str
) -> None:
    """Ask for the golden rows' predictions as the API would.

    Labels are equal; probabilities and values agree within ``golden.tolerance`` (relative, for what is beyond 1).
    Raises SmokeTestFailedError unless all agree, TransientError when the function is busy.
    """
    answer = calls.call(predict_function, _request(version, golden.rows))
    body = json.loads(answer["body"])
    if answer["statusCode"] == _BUSY:
        raise TransientError("the predict function is busy")
    if answer["statusCode"] != _OK:
        said = body.get("error", "no reason")
        raise SmokeTestFailedError(
            f"version {version.version} answered the golden rows with {answer['statusCode']}: {said}"
        )
    got = body["predictions"]
    pairs = zip(got, golden.predictions, strict=False)
    differ = abs(len(got) - len(golden.predictions))
    differ += sum(not _close(one, wanted, golden.tolerance) for one, wanted in pairs)
    if differ:
        raise SmokeTestFailedError(
            f"version {version.version} answers {differ} of {len(golden.predictions)} golden rows differently"
        )


def _close(got: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(wanted, Mapping):
        return got.keys() == wanted.keys() and all(_close(got[name], wanted[name], tolerance) for name in wanted)
    if isinstance(wanted, int | float) and isinstance(got, int | float):  # a served NaN is null, and no number
        return math.isclose(got, wanted, rel_tol=tolerance, abs_tol=tolerance)
    return bool(got == wanted)


def _request(version: VersionRecord, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The event that API Gateway would send, as its authorizer lets it through."""
    resource = "/v2/models/{model}/versions/{version}/infer"
    parts = {"model": version.model, "version": str(version.version)}
    path = resource.format(**parts)
    headers = {"content-type": "application/json"}
    return {
        "resource": resource,
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": parts,
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
