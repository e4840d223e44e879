"""Export a version: portable ONNX, onnxruntime's own format, a web page, or dependency-free C."""
