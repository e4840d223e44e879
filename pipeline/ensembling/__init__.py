"""Ensembles of candidates: blends, and models distilled from them."""
