"""Storage of the embedded cloud: records in one SQLite database, contents of objects in files.

A record is on disk before the response to the request that wrote it, and in memory only while it is used.
"""

__all__: list[str] = []
