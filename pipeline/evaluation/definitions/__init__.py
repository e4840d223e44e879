"""The metrics as scikit-learn defines them, for several vectors of row weights at once (bootstrap)."""
