"""Catalog of the algorithms: ``catalog.json``, generated from their descriptions in pipeline.training.algorithms.

``python -m tools.generated_files`` writes it; a test proves that it is up to date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter

from pipeline.contracts.algorithms.spec import AlgorithmSpec

__all__ = ["CATALOG_FILE", "catalog", "catalog_text"]

CATALOG_FILE = Path(__file__).with_name("catalog.json")
_SPECS = TypeAdapter(tuple[AlgorithmSpec, ...])


@cache
def catalog() -> Mapping[str, AlgorithmSpec]:
    """Return the algorithms by name, in the order in which the candidates of a job are trained."""
    return MappingProxyType({spec.name: spec for spec in _SPECS.validate_json(CATALOG_FILE.read_bytes())})


def catalog_text(specs: Sequence[AlgorithmSpec]) -> str:
    """Return the content of ``catalog.json``: JSON with one hyper-parameter per line."""
    documents = _SPECS.dump_python(tuple(specs), mode="json", exclude_defaults=True)
    blocks = []
    for document in documents:
        lines = [f"    {json.dumps(field)}" for field in document.pop("hyperparameters", ())]
        head = json.dumps(document, indent=2).removesuffix("\n}")
        blocks.append(f'{head},\n  "hyperparameters": [\n' + ",\n".join(lines) + "\n  ]\n}")
    return "[\n" + ",\n".join(blocks) + "\n]\n"
