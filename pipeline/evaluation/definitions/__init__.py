"""The metrics, as scikit-learn defines them, over many weightings of the rows at once."""
