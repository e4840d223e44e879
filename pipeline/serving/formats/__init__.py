"""Forms of a request's rows: objects, columns, a matrix, CSV, Parquet, binary tensors."""
