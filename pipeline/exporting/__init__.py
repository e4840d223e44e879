"""Bring a version elsewhere: portable ONNX, onnxruntime's own format, dependency-free C."""
