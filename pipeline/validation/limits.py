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
    "MAX_RARE_SHARE",
    "MAX_SPEC_BYTES",
    "MAX_VOCABULARY",
    "MIN_CLASS_ROWS",
    "MIN_ROWS",
    "check_bytes",
    "limit_broken_rows",
]

# Above these sizes rows are read in batches (validation.readers.batches), which takes memory for a few blocks only.
LARGE_BYTES = 48 << 20  # of text; parquet is three times as large in memory
LARGE_CELLS = 10_000_000
MAX_LARGE_BYTES = 40 << 30  # the disk of a job's machine holds it twice
# Limits of a file that is read at once. The function has 3 GB of memory and 4 GB of disk.
MAX_BYTES = 1 << 30  # after decompression, so that a small gzip file cannot fill the disk
MAX_CELLS = 50_000_000  # 16 bytes each at least: a file of commas, or a parquet file of one value, is small at any size
MAX_LINE_BYTES = 16 << 20
MAX_FIELD_CHARACTERS = 1 << 20  # the search for a closing quote stops here
MAX_COLUMNS = 10_000
MAX_NAME_CHARACTERS = 200
MAX_NAMES_BYTES = 2_000_000  # of JSON: a request names each column, and Lambda takes 6 MB
MAX_SPEC_BYTES = 1 << 20

MAX_IMAGES = 1_000_000
MAX_IMAGE_SIDE = 96  # pixels; larger images are resized
MAX_IMAGE_BYTES = 400 << 20  # of all images' pixels together: they are in memory three times while they are split
MAX_IMAGE_FILE_BYTES = 32 << 20  # of one png or jpg

MAX_MODEL_BYTES = 256 << 20  # of an .onnx file: as much as the predict function keeps of all (serving.model_cache)
MAX_CALIBRATION_BYTES = 64 << 20  # of calibration.csv

MIN_ROWS = 30  # by default 3 rows validate and 3 rows test; fewer say nothing about a model
MAX_CLASSES = 1_000
MAX_CLASSES_BYTES = 2_000_000  # of JSON: an answer names each class, and Lambda gives 6 MB
MIN_CLASS_ROWS = 3  # one for each split
MAX_RARE_SHARE = 0.05  # of the rows, in classes with fewer rows than that
MAX_VOCABULARY = 1_000
MAX_NAMED = 5  # columns, values or lines in one message


def limit_broken_rows(rows: int) -> int:
    """Return how many of ``rows`` may be unreadable: 1 %, or a few in a small file."""
    return max(min(3, rows // 20), rows // 100)


def check_bytes(name: str, size: int, max_bytes: int) -> None:
    """Check the size of an uploaded model's file.

    Raises:
        InvalidModelError: It is empty or too large.
    """
    if not 0 < size <= max_bytes:
        raise InvalidModelError(f"'{name}' has {size:,} bytes: 1 to {max_bytes:,} are expected")
