"""Split a column's name into words, and quote it for YAML."""

from __future__ import annotations

import json
import re

__all__ = ["name_words", "yaml_name"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|#")
_PLAIN = re.compile(r"[^\W\d]\w*(?:[ .-]\w+)*")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def name_words(name: str) -> frozenset[str]:
    """Split a name at punctuation, digits and capitals into words in lower case; ``#`` counts as a word.

    ``patientId``, ``PATIENT_ID`` and ``patient id 2`` have the same two words.
    """
    return frozenset(word.lower() for word in _WORD.findall(name) if not word.isdigit())


def yaml_name(name: str) -> str:
    """Return a name for train.yaml, quoted if YAML would read it as something else."""
    is_plain = _PLAIN.fullmatch(name) and name.lower() not in _YAML_WORDS
    return name if is_plain else json.dumps(name, ensure_ascii=False)
