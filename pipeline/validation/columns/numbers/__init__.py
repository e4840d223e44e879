"""Columns of numbers: how they are written, what they are, and how their cells are parsed."""
