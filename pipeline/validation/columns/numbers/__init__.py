"""Columns of numbers: their formats, their kinds, and the parsing of their cells."""
