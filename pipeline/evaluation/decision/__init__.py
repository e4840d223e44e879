"""The decision of a classifier: calibration of its probabilities, and the threshold of its labels."""
