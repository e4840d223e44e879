"""Convert keys of documents: Batch's API uses camelCase, templates and state machines use PascalCase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["camel_case", "pascal_case"]

_USER_MAPS = frozenset({"parameters", "tags", "options"})  # maps whose keys the user chooses


def camel_case(document: Any) -> Any:
    """Convert ``{"JobName": ...}`` to ``{"jobName": ...}``, recursively."""
    return _rename_keys(document, lambda name: name[:1].lower() + name[1:])


def pascal_case(document: Any) -> Any:
    """Convert ``{"jobName": ...}`` to ``{"JobName": ...}``, recursively."""
    return _rename_keys(document, lambda name: name[:1].upper() + name[1:])


def _rename_keys(document: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(document, list):
        return [_rename_keys(item, rename) for item in document]
    if not isinstance(document, dict):
        return document
    return {
        rename(name): value if name.lower() in _USER_MAPS else _rename_keys(value, rename)
        for name, value in document.items()
    }
