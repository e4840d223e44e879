"""The mains of the Batch containers."""
