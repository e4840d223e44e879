"""Estimators based on scikit-learn and NumPy that several algorithms share."""
