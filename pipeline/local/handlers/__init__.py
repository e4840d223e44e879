"""Lambda functions as processes of this machine."""

__all__: list[str] = []
