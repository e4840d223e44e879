"""Load test of an Open Inference Protocol endpoint over HTTP or gRPC: latency and throughput by number of clients."""
