"""The algorithms: one module each, whose ``ALGORITHM`` describes and trains the algorithm.

Importing a module is cheap: torch, scikit-learn and LightGBM are imported inside functions. The catalog, the JSON
Schema of train.yaml and the tables of docs/train_yaml.md are generated from the descriptions and configs
(``python -m tools.generated_files``).
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
        importlib.import_module(f"{__name__}.{name}")  # noqa: TID251 - imports modules of this folder only
        for name in names
    ]
    return sorted(
        (module.ALGORITHM for module in modules), key=lambda algorithm: (algorithm.spec.training_order, algorithm.name)
    )


ALGORITHMS: Mapping[str, Algorithm[Any]] = MappingProxyType(
    {algorithm.name: algorithm for algorithm in _load_algorithms()}
)
