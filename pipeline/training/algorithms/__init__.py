"""The algorithms, one file each. A description imports nothing heavy; what it runs is imported inside functions.

A module here that has an ``ALGORITHM`` is an algorithm. ``python -m tools.generated_files`` writes what is generated
from the configs and descriptions: the catalog, the JSON Schema of train.yaml, the tables of docs/train_yaml.md.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.training.algorithm import Algorithm

__all__ = ["ALGORITHMS"]


def _load_algorithms() -> list[Algorithm[Any]]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [
        importlib.import_module(f"{__name__}.{name}")  # noqa: TID251 - of this folder alone: an algorithm is one file
        for name in names
    ]
    return sorted(
        (module.ALGORITHM for module in modules), key=lambda algorithm: (algorithm.spec.training_order, algorithm.name)
    )


ALGORITHMS: Mapping[str, Algorithm[Any]] = MappingProxyType(
    {algorithm.name: algorithm for algorithm in _load_algorithms()}
)
