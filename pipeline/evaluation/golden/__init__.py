"""Golden rows: rows whose predictions a served model must reproduce, and their comparison."""
