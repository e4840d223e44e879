"""Where the server's models come from: files, folders, the registry."""
