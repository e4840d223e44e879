"""How a served file is measured: latencies, load time and memory, and how its predictions differ from fp32's."""
