"""Recognize binary formats by their first bytes, to name the format of a misnamed file."""

from __future__ import annotations

__all__ = ["name_binary_format"]

# Signatures that consist only of letters ("BM", "ID3") are left out: a csv header may begin with them.
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file (.xls) or another old Office file"),
    (b"\x1f\x8b", "gzip (whose name ends in .gz)"),
    (b"PAR1\x15", "parquet"),
    (b"PAR1\x00", "parquet"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"%PDF-", "a PDF"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1\x00", "an Arrow (Feather) file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x80\x05\x95", "a Python pickle"),
    (b"BZh91AY&SY", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OFFICE = (b"[Content_Types].xml", b"xl/")
_TAR_OFFSET = 257


def name_binary_format(head: bytes) -> str:
    """Return a name for the format of a file that begins with ``head``, such as "a PNG image"; "" for text."""
    if head.startswith(_ZIP):
        return "an Excel file (.xlsx)" if any(name in head for name in _OFFICE) else "a zip file"
    if head[_TAR_OFFSET : _TAR_OFFSET + 5] == b"ustar" and b"\0" in head[:_TAR_OFFSET]:
        return "a tar archive"
    return next((name for signature, name in _SIGNATURES if head.startswith(signature)), "")
