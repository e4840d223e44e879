"""A FastAPI server of one ONNX file without pydantic: orjson in, orjson out."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ["THREADS"])
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()
DTYPES = {"FP32": np.float32, "BYTES": np.object_}


@app.get("/v2/health/ready")
def ready() -> dict[str, bool]:
    """Return that the server is ready."""
    return {"ready": True}


@app.post("/v2/models/model/infer")
async def infer(request: Request) -> Response:
    """Return the predictions for a request."""
    document = orjson.loads(await request.body())
    feeds = {
        tensor["name"]: np.array(tensor["data"], DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
        for tensor in document["inputs"]
    }
    outputs: list[dict[str, Any]] = [
        {"name": output.name, "datatype": "FP32", "shape": list(array.shape), "data": array.ravel()}
        for output, array in zip(session.get_outputs(), session.run(None, feeds), strict=True)
    ]
    body = orjson.dumps({"model_name": "model", "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, media_type="application/json")
