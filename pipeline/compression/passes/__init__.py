"""The passes, one per file; the file's docstring states what the pass requires, does and ensures, and its source."""
