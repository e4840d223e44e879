"""Models that users bring: check an uploaded ONNX file, convert it to a served file, and describe it."""
