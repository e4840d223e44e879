"""The passes, one file each; its docstring states what the pass requires, does and ensures, and its source."""
