"""Predictions of registered models: decode requests, run onnxruntime, encode responses; nothing imports pydantic."""
