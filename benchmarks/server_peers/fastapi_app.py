"""A FastAPI server of one ONNX file as in FastAPI's documentation: pydantic models in and out."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ["THREADS"])
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Tensor(BaseModel):
    """A tensor of the Open Inference Protocol."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float] | list[str]


class InferRequest(BaseModel):
    """A request of the Open Inference Protocol."""

    inputs: list[Tensor]


class InferResponse(BaseModel):
    """A response of the Open Inference Protocol."""

    model_name: str
    outputs: list[Tensor]


@app.get("/v2/health/ready")
def ready() -> dict[str, bool]:
    """Return that the server is ready."""
    return {"ready": True}


@app.post("/v2/models/model/infer")
async def infer(request: InferRequest) -> InferResponse:
    """Return the predictions for a request."""
    dtypes = {"FP32": np.float32, "BYTES": np.object_}
    feeds = {
        tensor.name: np.array(tensor.data, dtypes[tensor.datatype]).reshape(tensor.shape) for tensor in request.inputs
    }
    outputs = [
        Tensor(name=output.name, datatype="FP32", shape=list(array.shape), data=array.ravel().tolist())
        for output, array in zip(session.get_outputs(), session.run(None, feeds), strict=True)
    ]
    return InferResponse(model_name="model", outputs=outputs)
