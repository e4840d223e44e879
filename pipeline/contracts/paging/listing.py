"""Write to and read from the listing index in shards.

DynamoDB accepts at most 1,000 write units a second for one partition key of a table or of an index, and a throttled
index throttles its table. Items that are written often (runs, models) are therefore spread over ``SHARDS`` listing
names. Items of older releases have the name without a shard, which is read as one more shard.

References:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-gsi-sharding.html
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from itertools import islice

from pipeline.contracts.ports.table import Item, Table

__all__ = ["SHARDS", "name_shard", "read_listing"]

SHARDS = 8


def name_shard(listing: str, key: tuple[str, str]) -> str:
    """Return the name of the shard under which the item of this key is listed."""
    return f"{listing}#{zlib.crc32('/'.join(key).encode()) % SHARDS}"


def read_listing(
    table: Table, listing: str, *, limit: int | None = None, since: str = "", before: str = ""
) -> list[Item]:
    """Read the items of all shards, largest ``listed_at`` first. Eventually consistent.

    Args:
        table: The table.
        listing: Name without a shard.
        limit: Maximum number of items; None for all. At most about three times as many are read.
        since: Only items whose ``listed_at`` is at least this text.
        before: Only items whose ``listed_at`` is less than this text; not together with ``since``.
    """
    step = None if limit is None or since else max(2, 2 * limit // SHARDS)
    names = (listing, *(f"{listing}#{shard}" for shard in range(SHARDS)))
    shards = (_read_shard(table, name, step, since, before) for name in names)
    return list(islice(heapq.merge(*shards, key=lambda item: item["listed_at"], reverse=True), limit))


def _read_shard(table: Table, name: str, step: int | None, since: str, before: str) -> Iterator[Item]:
    while items := table.listing(name, limit=step, since=since, before=before):
        yield from items
        if step is None or len(items) < step:
            return
        before = items[-1]["listed_at"]
