"""Load on an Open Inference Protocol endpoint, by HTTP or gRPC: latency against throughput."""
