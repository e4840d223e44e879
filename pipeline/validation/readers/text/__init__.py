"""Text files as batches of rows: delimited text, and JSON lines."""
