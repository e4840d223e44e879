"""The only boto3: one adapter a port of contracts.ports, and what a client makes them of."""
