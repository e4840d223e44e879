"""Hints that rows are not independent, each with the line of train.yaml for it."""
