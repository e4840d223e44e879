"""S3 events: the version of the object, and delivery after a restart."""

__all__: list[str] = []
