"""Integers in place of float weights and activations."""
