"""modeldrop: Model-as-a-Service as a serverless pipeline. Each stage of the pipeline is a folder."""

import os

__version__ = "0.1.0"

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by onnxruntime on import; otherwise it reports to Microsoft
