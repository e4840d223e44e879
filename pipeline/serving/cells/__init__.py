"""Readers of a request's cells, with the rules that read the training file."""
