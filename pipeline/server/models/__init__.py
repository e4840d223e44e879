"""Sources of the server's models: files, folders, the registry."""
