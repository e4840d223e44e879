"""Detect the dialect of delimited text: delimiter, header, comments, units and footer."""
