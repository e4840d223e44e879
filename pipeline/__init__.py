"""modeldrop: Model-as-a-Service as a serverless pipeline. The stages are the folders, in the order of the data."""

import os

__version__ = "0.1.0"

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime reads it on import, and would report to Microsoft
