"""Folds, cross-validation and bagging."""
