"""Step Functions: the Batch integration, how executions end, and which fields a task may have."""

__all__: list[str] = []
