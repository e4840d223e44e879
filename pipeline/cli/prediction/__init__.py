"""Predict on many rows and write the predictions."""
