"""Weights with fewer distinct values; operators stay as they are."""
