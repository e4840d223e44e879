"""Suggest the nearest known name for an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return the end of an error message about an unknown ``name``: the nearest candidate, or all candidates."""
    names = list(candidates)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"one of {', '.join(names)} is expected"
