"""Start a run for an upload, record its progress, and find out how its jobs and the run ended."""
