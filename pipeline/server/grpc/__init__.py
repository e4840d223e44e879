"""gRPC services: the Open Inference Protocol, TensorFlow Serving, health and reflection."""
