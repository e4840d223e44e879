"""What stages share: metrics, and answers of a served ONNX file. numpy, polars and onnxruntime only."""
