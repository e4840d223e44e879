"""Models that users bring: an uploaded ONNX file is checked, given the form of a served file, and described."""
