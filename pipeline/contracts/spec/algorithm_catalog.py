"""The algorithms that there are: ``catalogue.json``, written from the recipes' own declarations.

``python -m pipeline.training.algorithms`` writes it anew; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter

from pipeline.contracts.algorithm_spec import AlgorithmSpec

__all__ = ["CATALOGUE_FILE", "catalogue", "catalogue_bytes"]

CATALOGUE_FILE = Path(__file__).with_name("catalogue.json")
_DECLARATIONS = TypeAdapter(tuple[AlgorithmSpec, ...])


@cache
def catalogue() -> Mapping[str, AlgorithmSpec]:
    """Name -> declaration, in the order in which candidates are trained."""
    return MappingProxyType({one.name: one for one in _DECLARATIONS.validate_json(CATALOGUE_FILE.read_bytes())})


def catalogue_bytes(declarations: tuple[AlgorithmSpec, ...]) -> bytes:
    """What ``catalogue.json`` holds."""
    return _DECLARATIONS.dump_json(declarations, indent=2, exclude_defaults=True) + b"\n"
