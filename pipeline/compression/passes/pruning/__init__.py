"""Removal of weights and of channels."""
