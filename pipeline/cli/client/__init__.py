"""A stack, its API and its runs, as the commands use them."""
