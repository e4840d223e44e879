"""Models of scikit-learn and NumPy that several algorithms share."""
