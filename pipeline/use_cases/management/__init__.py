"""What a person decides through the API or the command line: runs are canceled and retried, the registry changed."""
