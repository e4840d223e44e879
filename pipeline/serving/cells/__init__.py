"""Readers of the cells in requests, with the same rules as for the training file."""
