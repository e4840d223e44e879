"""Convert a model that was trained elsewhere to ONNX, on its owner's machine."""
