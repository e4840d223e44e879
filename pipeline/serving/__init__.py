"""Predictions of registered models: decode requests, run onnxruntime, encode responses. No pydantic on this path."""
