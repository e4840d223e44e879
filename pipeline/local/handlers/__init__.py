"""Lambda functions: each instance is a process of its own behind a Runtime API, as on AWS."""

__all__: list[str] = []
