"""What users write: train.yaml, and the algorithms that it may name."""
