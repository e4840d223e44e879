"""The Lambda handler of predictions, which writes one log line and one metrics record per request without Powertools.

Importing Powertools would take a tenth of a cold start. Lines and records have the format of its Logger and Metrics.

References:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.bootstrap import cors_policy, metrics_namespace
from pipeline.serving.http import Response, find_caller, read_request, respond_to_event, write_response

if TYPE_CHECKING:
    from pipeline.serving.api.prediction_api import PredictionApi
    from pipeline.use_cases.management.denied_calls import DeniedCalls

__all__ = ["prediction_handler"]

_SERVICE = "modeldrop"  # dimension that all functions share, as in lambda_handlers
_NAMESPACE = metrics_namespace()
_CORS = cors_policy()


def prediction_handler(
    api: Callable[[], PredictionApi], denied: DeniedCalls
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Make a handler for prediction requests, which never raises.

    Args:
        api: Returns the prediction API.
        denied: Logs denied calls.
    """

    def respond(event: dict[str, Any], context: Any) -> tuple[Response, Mapping[str, Any]]:
        caller = find_caller(event)
        with denied.logged(event):
            response = api().respond(read_request(event), caller)
        return write_response(response), response.facts

    return lambda event, context: respond_to_event(event, context, respond=respond, log=_report, cors=_CORS)


def _report(context: Any, fields: Mapping[str, Any]) -> None:
    """Write the log line and the metrics record of a request."""
    status = fields["status"]
    level = "INFO" if status < 400 else "WARNING" if status < 500 else "ERROR"
    now = time.time()
    line = {
        "level": level,
        "message": "answered",
        "timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "service": "predict",
        "function_name": context.function_name,
        "function_request_id": context.aws_request_id,
        **fields,
    }
    metrics: dict[str, tuple[str, float]] = {"Crashed": ("Count", float(status >= 500))}
    if "rows" in fields:
        metrics |= {"Milliseconds": ("Milliseconds", fields["milliseconds"]), "Rows": ("Count", float(fields["rows"]))}
    # Metrics per variant are written only while a rollout runs, because each additional custom metric costs money.
    by_variant = [["tenant", "model", "variant"]] if "variant" in fields and "model" in fields else []
    definition = {
        "Namespace": _NAMESPACE,
        "Dimensions": [["service"], *by_variant],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    record = {
        "_aws": {"Timestamp": int(1e3 * now), "CloudWatchMetrics": [definition]},
        "service": _SERVICE,
        "model": fields.get("model"),
        "version": fields.get("version"),
        **({"tenant": fields["tenant"], "variant": fields["variant"]} if by_variant else {}),
        **{name: [value] for name, (_, value) in metrics.items()},
    }
    print(f"{json.dumps(line)}\n{json.dumps(record)}", flush=True)  # noqa: T201 - Lambda's log
