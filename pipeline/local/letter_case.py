"""Documents in two spellings: Batch's API begins names with a small letter, templates and states with a big one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["camel", "pascal"]

_USERS = frozenset({"parameters", "tags", "options"})  # maps whose keys are the user's own


def camel(document: Any) -> Any:
    """``{"JobName": ...}`` -> ``{"jobName": ...}``, all the way down."""
    return _renamed(document, lambda name: name[:1].lower() + name[1:])


def pascal(document: Any) -> Any:
    """``{"jobName": ...}`` -> ``{"JobName": ...}``, all the way down."""
    return _renamed(document, lambda name: name[:1].upper() + name[1:])


def _renamed(document: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(document, list):
        return [_renamed(item, rename) for item in document]
    if not isinstance(document, dict):
        return document
    return {
        rename(name): value if name.lower() in _USERS else _renamed(value, rename) for name, value in document.items()
    }
