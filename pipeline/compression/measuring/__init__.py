"""Measurements of a served file: latencies, load time and memory, and how its predictions differ from fp32's."""
