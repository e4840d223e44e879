"""From probabilities to what is served: calibrated probabilities, and labels by a threshold."""
