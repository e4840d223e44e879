"""Selection: variants -> the Pareto front over quality x latency x size, and one winner. Pure functions of records."""
