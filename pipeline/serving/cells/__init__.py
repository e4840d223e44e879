"""Cells of a request as what a model takes, read by the rules with which the training file was read."""
