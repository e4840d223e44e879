"""Passes on ensembles of decision trees."""
