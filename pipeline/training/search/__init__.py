"""Hyper-parameter search: which settings are tried (methods), on which rows (trial_data), how (trial_runner)."""
