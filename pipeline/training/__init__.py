"""Training: a candidate of the plan becomes a model, its ONNX files, and reference predictions to verify these by."""
