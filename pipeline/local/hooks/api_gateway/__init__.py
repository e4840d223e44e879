"""API Gateway: API keys from the authorizer, and settings of a REST API that MiniStack does not read."""

__all__: list[str] = []
