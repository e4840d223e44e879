"""ONNX graphs for training and compression: encoding of raw columns, bodies, and outputs."""
