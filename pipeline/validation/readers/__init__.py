"""Read data files of every format as batches of rows."""
