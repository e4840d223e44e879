"""Life of a run: how an upload starts it, what is recorded about it, how its jobs ended, how it fails."""
