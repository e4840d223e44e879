"""A BentoML service of one ONNX file, with BentoML's own protocol."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1)
class Service:
    """Runs the ONNX file in the environment variable MODEL."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api
    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the predictions for ``x`` [rows, ...]."""
        return self.session.run(None, {"x": x.astype(np.float32)})[0]
