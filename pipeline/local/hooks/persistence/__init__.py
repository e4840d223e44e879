"""Records on disk instead of in memory, one module per service; ``pipeline.local.storage`` installs them."""

__all__: list[str] = []
