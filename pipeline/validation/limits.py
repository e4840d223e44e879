"""The limits of a data file. A message names the limit that was exceeded."""

from __future__ import annotations

from pipeline.contracts.errors import InvalidModelError

__all__ = [
    "LARGE_BYTES",
    "LARGE_CELLS",
    "MAX_BYTES",
    "MAX_CALIBRATION_BYTES",
    "MAX_CELLS",
    "MAX_CLASSES",
    "MAX_CLASSES_BYTES",
    "MAX_COLUMNS",
    "MAX_FIELD_CHARACTERS",
    "MAX_IMAGES",
    "MAX_IMAGE_BYTES",
    "MAX_IMAGE_FILE_BYTES",
    "MAX_IMAGE_SIDE",
    "MAX_LARGE_BYTES",
    "MAX_LINE_BYTES",
    "MAX_MODEL_BYTES",
    "MAX_NAMED",
    "MAX_NAMES_BYTES",
    "MAX_NAME_CHARACTERS",
    "MAX_RARE_FRACTION",
    "MAX_SPEC_BYTES",
    "MAX_VOCABULARY",
    "MIN_CLASS_ROWS",
    "MIN_ROWS",
    "check_bytes",
    "limit_broken_rows",
]

# Above these sizes rows are read in batches (validation.readers.batches), which takes memory for a few blocks only.
LARGE_BYTES = 48 << 20  # of text; parquet takes three times its size in memory, so its cells are counted instead
LARGE_CELLS = 10_000_000
MAX_LARGE_BYTES = 40 << 30  # the disk of a job's machine has room for twice as much
# Limits of a file that is read at once. The function has 3 GB of memory and 4 GB of disk.
MAX_BYTES = 1 << 30  # after decompression, so that a small gzip file cannot fill the disk
MAX_CELLS = 50_000_000  # at least 16 bytes of memory each, even in a small file such as one of only commas
MAX_LINE_BYTES = 16 << 20
MAX_FIELD_CHARACTERS = 1 << 20  # the search for a closing quote stops here
MAX_COLUMNS = 10_000
MAX_NAME_CHARACTERS = 200
MAX_NAMES_BYTES = 2_000_000  # bytes of all names in JSON: each request contains them, and Lambda accepts 6 MB
MAX_SPEC_BYTES = 1 << 20

MAX_IMAGES = 1_000_000
MAX_IMAGE_SIDE = 96  # pixels; larger images are resized
MAX_IMAGE_BYTES = 400 << 20  # pixels of all images together; they are in memory three times while they are split
MAX_IMAGE_FILE_BYTES = 32 << 20  # of one png or jpg

MAX_MODEL_BYTES = 256 << 20  # of an .onnx file: the capacity of the predict function's cache (serving.model_cache)
MAX_CALIBRATION_BYTES = 64 << 20  # of calibration.csv

MIN_ROWS = 30  # by default 3 of them are for validation and 3 for test; fewer do not measure a model
MAX_CLASSES = 1_000
MAX_CLASSES_BYTES = 2_000_000  # bytes of all labels in JSON: each prediction contains them, and Lambda returns 6 MB
MIN_CLASS_ROWS = 3  # one for each split
MAX_RARE_FRACTION = 0.05  # maximum fraction of rows in classes with fewer than MIN_CLASS_ROWS rows
MAX_VOCABULARY = 1_000
MAX_NAMED = 5  # maximum columns, values or lines in one message


def limit_broken_rows(rows: int) -> int:
    """Return how many of ``rows`` may be unreadable: 1 %, or up to 3 in a small file."""
    return max(min(3, rows // 20), rows // 100)


def check_bytes(name: str, size: int, max_bytes: int) -> None:
    """Check the size of an uploaded model's file.

    Raises:
        InvalidModelError: The file is empty or too large.
    """
    if not 0 < size <= max_bytes:
        raise InvalidModelError(f"'{name}' has {size:,} bytes: 1 to {max_bytes:,} are expected")
