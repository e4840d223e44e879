"""One in-memory fake per port of contracts.ports, and other fakes that tests inject in the same way."""
