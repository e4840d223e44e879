"""Metrics, and predictions of served ONNX files, for all stages. numpy, polars and onnxruntime only."""
