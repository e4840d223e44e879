"""The floor: a handler for a single model without any checks, with the same libraries and duties."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import onnxruntime
import orjson
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.session import Session

logger = Logger()
metrics = Metrics()
session = Session()
endpoint = os.environ["AWS_ENDPOINT_URL"]
s3 = session.create_client("s3", endpoint_url=endpoint)
dynamodb = session.create_client("dynamodb", endpoint_url=endpoint)
model: onnxruntime.InferenceSession | None = None
inputs: dict[str, Any] = {}


def load() -> onnxruntime.InferenceSession:
    """Return a session of the live version's file, found by the registry's keys."""
    table = os.environ["TABLE_NAME"]
    partition = {"S": "TENANT#demo#MODEL#adult"}
    alias = dynamodb.get_item(TableName=table, Key={"pk": partition, "sk": {"S": "ALIAS#live"}})["Item"]
    key = {"pk": partition, "sk": {"S": f"VERSION#{int(alias['version']['N']):06d}"}}
    record = orjson.loads(dynamodb.get_item(TableName=table, Key=key)["Item"]["record"]["S"])
    response = s3.get_object(Bucket=os.environ["ARTIFACTS_BUCKET"], Key=record["artifact"]["key"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(response["Body"].read(), options)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the response to a prediction request for one row."""
    global model  # noqa: PLW0603 - Lambda functions cache models in module variables
    began = time.perf_counter()
    if model is None:
        model = load()
        inputs.update({tensor.name: object if "string" in tensor.type else np.float32 for tensor in model.get_inputs()})
    row = orjson.loads(event["body"])["rows"][0]
    label, probabilities = model.run(None, {name: np.array([row[name]], kind) for name, kind in inputs.items()})
    chances = dict(zip(("<=50K", ">50K"), probabilities[0].tolist()))  # noqa: B905 - as the functions do
    body = orjson.dumps(
        {"model": "adult", "version": 1, "predictions": [{"label": label[0], "probabilities": chances}]}
    )
    milliseconds = 1e3 * (time.perf_counter() - began)
    logger.info(
        "answered",
        function_name=context.function_name,
        function_request_id=context.aws_request_id,
        model="adult",
        version=1,
        rows=1,
        milliseconds=milliseconds,
    )
    metrics.add_metric(name="Milliseconds", unit=MetricUnit.Milliseconds, value=milliseconds)
    metrics.add_metric(name="Rows", unit=MetricUnit.Count, value=1)
    metrics.add_metadata(key="model", value="adult")
    metrics.add_metadata(key="version", value=1)
    metrics.flush_metrics()
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body.decode()}
