"""The search of a candidate's settings: which are tried (methods), on which rows (folds), and how each did (trying)."""
