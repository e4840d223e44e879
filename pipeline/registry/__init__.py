"""Immutable model versions, the aliases that move over them, the keys that call them."""
