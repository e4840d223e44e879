"""Detect the encoding of a text file from its bytes."""
