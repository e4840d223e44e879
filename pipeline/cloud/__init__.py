"""Adapters of the ports in contracts.ports, and the clients of boto3 that they use."""
