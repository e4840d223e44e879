"""One sentence for whatever ends a command that is not an error of ours."""

from __future__ import annotations

import errno
import gzip
import json
import zipfile
import zlib

__all__ = ["describe_fault"]

_MAX_TEXT = 300  # characters of what a library says


def describe_fault(error: BaseException) -> str:
    """Say what went wrong, and where the error tells it."""
    match error:
        case gzip.BadGzipFile() | zipfile.BadZipFile() | zlib.error() | EOFError():
            return "a compressed file is damaged or cut off: a whole one is expected"
        case OSError():
            return _describe_os_error(error)
        case json.JSONDecodeError():
            return f"what was read is not JSON (line {error.lineno}, column {error.colno}): {error.msg.lower()}"
        case UnicodeError():
            return "what was read is not text in the encoding that is expected, UTF-8"
        case MemoryError():
            return "there is not enough memory for this on this machine"
        case ImportError():
            return f"the package '{error.name or 'unknown'}' is not installed, or is damaged"
        case _:
            return f"unexpected {type(error).__name__}{_first_line(error)}"


def _describe_os_error(error: OSError) -> str:
    name = f"'{_text(error.filename)}'" if error.filename is not None else "a file"
    match error:
        case FileNotFoundError():
            return f"{name} is not there"
        case IsADirectoryError():
            return f"{name} is a folder: a file is expected"
        case NotADirectoryError():
            return f"{name} is not in a folder: a part of its path is a file"
        case PermissionError():
            return f"{name} may not be read or written: permission is missing"
        case _ if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return (
                f"the disk is full{f' ({name})' if error.filename is not None else ''}: free some space, or set TMPDIR"
            )
        case _:
            where = f"{name}: " if error.filename is not None else ""
            return f"{where}{(error.strerror or _first_line(error).removeprefix(': ') or type(error).__name__).lower()}"


def _text(name: object) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f": {lines[0][:_MAX_TEXT]}" if lines else ""
