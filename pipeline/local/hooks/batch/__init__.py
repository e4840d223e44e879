"""AWS Batch: jobs as processes, their CloudFormation resources, and their EventBridge events."""

__all__: list[str] = []
