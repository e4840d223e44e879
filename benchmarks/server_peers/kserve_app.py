"""KServe's model server of one ONNX file."""

from __future__ import annotations

import os

import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class OnnxRuntimeModel(Model):
    """Runs the ONNX file in the environment variable MODEL."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.ready = True

    def predict(self, payload: InferRequest, headers: object = None, response_headers: object = None) -> InferResponse:
        """Return the predictions for a request."""
        feeds = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
        outputs = []
        for output, array in zip(self.session.get_outputs(), self.session.run(None, feeds), strict=True):
            tensor = InferOutput(output.name, list(array.shape), "FP32")
            tensor.set_data_from_numpy(array, binary_data=payload.from_grpc)
            outputs.append(tensor)
        return InferResponse(payload.id or "", self.name, outputs)


ModelServer(
    http_port=int(os.environ["HTTP_PORT"]), grpc_port=int(os.environ["GRPC_PORT"]), enable_latency_logging=False
).start([OnnxRuntimeModel("model")])
