"""Records that stages exchange and the registry keeps."""
