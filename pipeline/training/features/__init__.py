"""Columns and texts as features."""
