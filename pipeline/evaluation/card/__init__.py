"""The model card: measures its fields on the test rows."""
