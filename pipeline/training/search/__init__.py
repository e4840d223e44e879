"""The search of a candidate's settings: which are tried (methods), on which rows (trial_data), how (trial_runner)."""
