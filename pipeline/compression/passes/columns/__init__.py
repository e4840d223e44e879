"""Passes on the input columns of tables."""
