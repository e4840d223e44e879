"""Columns: their names, what they hold, and the roles that they have."""
