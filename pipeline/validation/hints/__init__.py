"""Hints that another split, task or set of columns may fit the rows, each with a line to add to train.yaml."""
