"""Access to a stack, its API and its runs, for the commands."""
