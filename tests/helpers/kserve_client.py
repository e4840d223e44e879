"""Call a server by KServe's unmodified inference client, and print the responses as one JSON line.

Run it in a separate environment: the package pins other versions of protobuf and pandas than this project.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig


def request(*, binary: bool, model: str = "scale") -> InferRequest:
    tensor = InferInput("x", [2, 2], "FP32")
    tensor.set_data_from_numpy(np.array([[1, 2], [3, 4]], np.float32), binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[tensor], request_id="7")


async def call(rest_url: str, grpc_address: str) -> dict[str, Any]:
    rest, grpc = InferenceRESTClient(RESTConfig(protocol="v2", retries=0)), InferenceGRPCClient(grpc_address)
    found: dict[str, Any] = {
        "rest live": await rest.is_server_live(rest_url),
        "rest ready": await rest.is_server_ready(rest_url),
        "rest model": await rest.is_model_ready(rest_url, "scale"),
        "grpc live": await grpc.is_server_live(),
        "grpc ready": await grpc.is_server_ready(),
        "grpc model": await grpc.is_model_ready("scale"),
    }
    for binary in (False, True):
        by_rest = await rest.infer(rest_url, request(binary=binary), model_name="scale")
        by_grpc = await grpc.infer(request(binary=binary))
        for protocol, response in (("rest", by_rest), ("grpc", by_grpc)):
            found[f"{protocol} {'binary' if binary else 'plain'}"] = [
                response.model_name, response.id, response.outputs[0].as_numpy().tolist(),
            ]  # fmt: skip
    for protocol, refused in (
        ("rest", rest.infer(rest_url, request(binary=False, model="none"), model_name="none")),
        ("grpc", grpc.infer(request(binary=False, model="none"))),
    ):
        try:
            await refused
        except Exception as error:  # noqa: BLE001 - the client may raise any error
            found[f"{protocol} unknown"] = "none" in str(error)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call(*sys.argv[1:]))))  # noqa: T201
