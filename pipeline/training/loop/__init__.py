"""The training loop of networks."""
