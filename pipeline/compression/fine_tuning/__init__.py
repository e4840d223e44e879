"""Fine-tuning of an ONNX graph: torch runs the graph and trains its weights, which are then written back."""
