"""The console, its streams and exit codes."""
