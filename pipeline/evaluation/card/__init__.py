"""The model card: its fields and how they are measured."""
