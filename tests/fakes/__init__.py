"""One in-memory fake a port of contracts.ports, and others that tests inject through the same doors."""
