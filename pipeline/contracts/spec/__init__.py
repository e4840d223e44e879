"""Fields of train.yaml, their types, and the messages for invalid values."""
