"""Translate a served model to C: one row, static shapes, no library but libm."""
