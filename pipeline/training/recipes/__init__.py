"""The recipes, an algorithm a file. A declaration imports nothing heavy; what it runs is imported inside."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.contracts.plan import Algorithm
from pipeline.training.recipe import Recipe
from pipeline.training.recipes import gradient_boosting, linear, mlp, random_forest

__all__ = ["RECIPES"]

RECIPES: Mapping[Algorithm, Recipe] = {
    module.RECIPE.name: module.RECIPE for module in (linear, random_forest, gradient_boosting, mlp)
}
