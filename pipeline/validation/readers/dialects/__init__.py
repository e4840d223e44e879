"""Dialects of delimited text: delimiter, header, comments, units and footer, found before the rows are read."""
