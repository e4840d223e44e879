"""Fine-tuning of an ONNX graph: it is run by torch, its weights learn, and they are written back."""
