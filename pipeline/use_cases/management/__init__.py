"""Use cases of a person at the API or the command line: cancel or retry runs, upload, change the registry."""
