"""What a data file may be, in one place. A message names the limit that it speaks of."""

from __future__ import annotations

__all__ = [
    "LARGE_BYTES",
    "LARGE_CELLS",
    "LEAST_CLASS_ROWS",
    "LEAST_ROWS",
    "MOST_BYTES",
    "MOST_CELLS",
    "MOST_CLASSES",
    "MOST_COLUMNS",
    "MOST_FIELD_CHARACTERS",
    "MOST_IMAGES",
    "MOST_IMAGE_BYTES",
    "MOST_IMAGE_SIDE",
    "MOST_LARGE_BYTES",
    "MOST_LINE_BYTES",
    "MOST_NAMED",
    "MOST_NAME_CHARACTERS",
    "MOST_PICTURE_BYTES",
    "MOST_RARE_SHARE",
    "MOST_SPEC_BYTES",
    "MOST_VOCABULARY",
    "broken_rows_allowed",
]

# From here on rows are read some at a time (validation.readers.batches), which needs memory for some blocks alone.
LARGE_BYTES = 48 << 20  # of text; parquet is three times as large in memory
LARGE_CELLS = 10_000_000
MOST_LARGE_BYTES = 40 << 30  # a job's machine has a disk for it twice
# Of a file that is read as one. The function has 3 GB of memory and 4 GB of disk.
MOST_BYTES = 1 << 30  # after decompression, so that a small gzip file cannot fill the disk
MOST_CELLS = (
    50_000_000  # 16 bytes each at least: a file of commas, or a parquet file of one value, is small at any size
)
MOST_LINE_BYTES = 16 << 20
MOST_FIELD_CHARACTERS = 1 << 20  # where a quote that is never closed is given up
MOST_COLUMNS = 10_000
MOST_NAME_CHARACTERS = 200
MOST_SPEC_BYTES = 1 << 20

MOST_IMAGES = 1_000_000
MOST_IMAGE_SIDE = 96  # pixels; larger ones are made smaller
MOST_IMAGE_BYTES = 400 << 20  # of all images' pixels together: they are in memory three times while they are split
MOST_PICTURE_BYTES = 32 << 20  # of one png or jpg

LEAST_ROWS = 30  # with the usual shares 3 rows choose and 3 rows test; fewer say nothing about a model
MOST_CLASSES = 1_000
LEAST_CLASS_ROWS = 3  # one for each split
MOST_RARE_SHARE = 0.05  # of the rows, in classes with fewer rows than that
MOST_VOCABULARY = 1_000
MOST_NAMED = 5  # columns, values or places in one message


def broken_rows_allowed(rows: int) -> int:
    """How many of ``rows`` may be unreadable: 1 %; of a small file a few."""
    return max(min(3, rows // 20), rows // 100)
