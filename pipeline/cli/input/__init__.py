"""Rows to predict on, read from files, folders and the command line."""
