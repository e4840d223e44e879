"""Turn a file into a typed, profiled, split Dataset, or an error: what is wrong, where, and what is expected."""
