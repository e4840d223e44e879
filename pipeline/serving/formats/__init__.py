"""Formats of the rows in a request: objects, columns, a matrix, CSV, Parquet, binary tensors."""
