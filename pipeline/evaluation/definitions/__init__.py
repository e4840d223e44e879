"""The metrics, as scikit-learn defines them, for many weightings of the rows at once (bootstrap)."""
