"""Adapters of the ports in contracts.ports, and the botocore clients that they use."""
