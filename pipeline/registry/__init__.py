"""Immutable model versions, the aliases that point to them, and API keys."""
