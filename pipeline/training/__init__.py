"""Train the candidates of a plan, and export each as ONNX files with reference predictions to verify them by."""
