"""Training: a candidate of the plan -> a trained model, its ONNX files and its own answers to verify them by."""
