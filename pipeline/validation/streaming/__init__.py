"""Data that is larger than memory: a sample says what the columns are, then every row is read, a block at a time."""
