"""Use cases that run on a schedule."""
