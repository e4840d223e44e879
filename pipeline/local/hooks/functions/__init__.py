"""Lambda: handlers under AWS's runtime client, and the concurrency of a queue's poller."""

__all__: list[str] = []
