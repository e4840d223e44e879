"""Hints: what else the data may be than independent rows, each with the line of train.yaml that says so."""
