"""Translate a served model to C: for one row, with static shapes and no library except libm."""
