"""An MLServer runtime of one ONNX file."""

from __future__ import annotations

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxRuntimeModel(MLModel):
    """Runs the ONNX file in the environment variable MODEL."""

    async def load(self) -> bool:
        """Create the session; return that the model is ready."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the predictions for a request."""
        feeds = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        outputs = self.session.run(None, feeds)
        names = [output.name for output in self.session.get_outputs()]
        tensors = [NumpyCodec.encode_output(name, array) for name, array in zip(names, outputs, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=tensors)
