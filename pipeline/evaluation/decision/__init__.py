"""The decision of a classifier: calibrated probabilities, and labels by a threshold."""
