"""Messages for unexpected errors, and for the API's errors about keys."""

from __future__ import annotations

import errno
import gzip
import json
import re
import zipfile
import zlib

__all__ = ["advise_on_keys", "describe_fault"]

_MAX_TEXT = 300  # characters of a library's message
_DAMAGED = "a compressed file is damaged or truncated: a complete one is expected"
_SENTENCES: dict[type[BaseException], str] = {
    gzip.BadGzipFile: _DAMAGED,
    zipfile.BadZipFile: _DAMAGED,
    zlib.error: _DAMAGED,
    EOFError: _DAMAGED,
    UnicodeEncodeError: "the output's encoding lacks some characters: UTF-8 is expected",
    UnicodeError: "what was read is not UTF-8 text",
    MemoryError: "this machine does not have enough memory for this",
}
_OS_SENTENCES: dict[type[BaseException], str] = {
    FileNotFoundError: "{name} is not there",
    IsADirectoryError: "{name} is a folder: a file is expected",
    NotADirectoryError: "{name} has a path that goes through a file: a folder is expected",
    PermissionError: "{name} cannot be read or written: permission denied",
}
_PERMISSION = re.compile(r"one with the permission '(\w+)' is expected")


def advise_on_keys(sentence: str) -> str:
    """Rephrase an API error about a key: name the command's options, and the roles with the permission."""
    from pipeline.registry.roles import ROLES

    def name_roles(match: re.Match[str]) -> str:
        roles = " or ".join(role for role, granted in ROLES.items() if match[1] in granted)
        return f"{match[0]} (role {roles})" if roles else match[0]

    by_option = sentence.replace(
        "send a valid one in the header x-api-key", "give a valid one with --api-key or MODELDROP_API_KEY"
    )
    return _PERMISSION.sub(name_roles, by_option)


def describe_fault(error: BaseException) -> str:
    """Describe an unexpected error, with its location if the error has one."""
    for cls, sentence in _SENTENCES.items():
        if isinstance(error, cls):
            return sentence
    if isinstance(error, OSError):
        return _describe_os_error(error)
    if isinstance(error, json.JSONDecodeError):
        return f"what was read is not JSON (line {error.lineno}, column {error.colno}): {error.msg.lower()}"
    if isinstance(error, ImportError):
        return f"the package '{error.name or 'unknown'}' is not installed, or is damaged"
    lines = str(error).strip().splitlines()
    return f"unexpected {type(error).__name__}{f': {lines[0][:_MAX_TEXT]}' if lines else ''}"


def _describe_os_error(error: OSError) -> str:
    name = "a file" if error.filename is None else f"'{_text(error.filename)}'"
    for cls, sentence in _OS_SENTENCES.items():
        if isinstance(error, cls):
            return sentence.format(name=name)
    where = "" if error.filename is None else f"{name}: "
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}the disk is full: free some space there, or in the folder that TMPDIR names"
    return f"{where}{(error.strerror or str(error) or type(error).__name__).lower()}"


def _text(name: object) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
