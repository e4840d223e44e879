"""Which rows train, which validate, and which test."""
