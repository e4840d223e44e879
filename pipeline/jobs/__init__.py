"""The entry points of the Batch containers."""
