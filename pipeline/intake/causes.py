"""Parse the Cause of a failed state: a JSON object of Batch or of a function, or a sentence."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_cause"]


def parse_cause(cause: str) -> dict[str, Any] | None:
    """Return the JSON object in ``cause``; None for a sentence, such as that of a Fail state or of a timeout."""
    try:
        document = json.loads(cause)
    except json.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None
