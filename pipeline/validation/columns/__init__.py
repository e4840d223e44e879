"""Columns: their names, kinds, casting, and roles such as target and weight."""
