"""Run a user's model.py in a process of its own, without credentials or network."""
