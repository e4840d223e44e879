"""What a model card says, and how it is measured."""
