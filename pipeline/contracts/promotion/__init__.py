"""Promotion: rollouts of new versions, the names of their counters, and comparisons with the live version."""
