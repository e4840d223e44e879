"""Columns of tables that a model need not read."""
