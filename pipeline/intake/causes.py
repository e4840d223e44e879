"""The Cause of a failed state: a JSON object, Batch's or a function's, or a plain sentence."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_cause"]


def parse_cause(cause: str) -> dict[str, Any] | None:
    """The JSON object that ``cause`` is; None for a sentence, as of a Fail state or of a state that timed out."""
    try:
        document = json.loads(cause)
    except json.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None
