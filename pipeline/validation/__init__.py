"""File -> a typed, profiled, split Dataset, or an error that says what is wrong, where, and what was expected."""
