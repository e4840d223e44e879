"""Metrics, and predictions of served ONNX files, for all stages; it needs only numpy, polars and onnxruntime."""
