"""Trained models as ONNX graphs and files."""
