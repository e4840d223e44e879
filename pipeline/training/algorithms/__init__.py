"""The algorithms, one file each. A description imports nothing heavy; what it runs is imported inside functions.

A module here that has a ``RECIPE`` is an algorithm. ``python -m tools.generated_files`` writes what is generated
from the configs and descriptions: the catalog, the JSON Schema of train.yaml, the tables of docs/train_yaml.md.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.training.algorithm import Recipe

__all__ = ["RECIPES"]


def _recipes() -> list[Recipe[Any]]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [
        importlib.import_module(f"{__name__}.{name}")  # noqa: TID251 - of this folder alone: a recipe is one file
        for name in names
    ]
    return sorted((module.RECIPE for module in modules), key=lambda recipe: (recipe.spec.training_order, recipe.name))


RECIPES: Mapping[str, Recipe[Any]] = MappingProxyType({recipe.name: recipe for recipe in _recipes()})
