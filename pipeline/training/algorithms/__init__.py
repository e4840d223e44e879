"""The recipes, an algorithm a file. A declaration imports nothing heavy; what it runs is imported inside.

A module here that has a ``RECIPE`` is one. ``python -m pipeline.training.algorithms`` writes the catalogue and the
JobSpec's schema anew, after a declaration (or the JobSpec) has changed.
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
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "__main__"]
    modules = [
        importlib.import_module(f"{__name__}.{name}")  # noqa: TID251 - of this folder alone: a recipe is one file
        for name in names
    ]
    return sorted((one.RECIPE for one in modules), key=lambda recipe: (recipe.spec.training_order, recipe.name))


RECIPES: Mapping[str, Recipe[Any]] = MappingProxyType({recipe.name: recipe for recipe in _recipes()})
