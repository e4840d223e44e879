"""Read a file into a typed, profiled and split Dataset; errors say what is wrong, where, and what is expected."""
