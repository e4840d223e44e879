"""The passes: one file each, which says what the pass requires, does and ensures, and what paper it is from."""
