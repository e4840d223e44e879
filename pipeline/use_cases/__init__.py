"""Use cases: one class per module for each state of the state machine and each event; bootstrap composes them."""
