"""Call a server by open-inference-openapi's unmodified client, and print the parsed responses as one JSON line.

Run it in the separate environment of KServe's client.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from open_inference.openapi.client import InferenceRequest, OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError


def request() -> InferenceRequest:
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1.0, 2.0], [3.0, 4.0]]}
    return InferenceRequest(id="7", inputs=[tensor])


def call(url: str) -> dict[str, Any]:
    client = OpenInferenceClient(base_url=url)
    client.check_server_liveness()
    client.check_server_readiness()
    client.check_model_readiness("scale")
    response = client.model_infer("scale", request=request())
    (output,) = response.outputs
    try:
        client.model_infer("none", request=request())
    except ApiError as error:
        unknown = error.status_code
    return {
        "server": client.read_server_metadata().name,
        "inputs": [
            (tensor.name, tensor.datatype, tensor.shape) for tensor in client.read_model_metadata("scale").inputs
        ],
        "infer": (response.model_name, response.id, output.name, output.shape, json.loads(output.data.json())),
        "unknown": unknown,
    }


if __name__ == "__main__":
    print(json.dumps(call(sys.argv[1])))  # noqa: T201
