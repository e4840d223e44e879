"""Read text files, delimited text and JSON lines, as batches of rows."""
