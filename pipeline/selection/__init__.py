"""Select the winner of a run's variants, from their Pareto front over quality, latency and size, by pure functions."""
