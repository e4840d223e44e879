"""Golden rows: what a served model must predict again, and how its predictions are compared."""
