"""Files of text, as batches of rows: csv and its kin, and JSON lines."""
