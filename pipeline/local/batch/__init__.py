"""AWS Batch's jobs, as processes of this machine."""

__all__: list[str] = []
