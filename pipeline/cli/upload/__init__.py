"""Check a file and upload it."""
