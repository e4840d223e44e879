"""What the embedded cloud keeps on disk: records in one SQLite database, the contents of objects in files.

A record is on disk before the request that wrote it is answered, and it is in memory only while it is used.
"""

__all__: list[str] = []
