"""Rollouts: how they begin, what is measured, how they end."""
