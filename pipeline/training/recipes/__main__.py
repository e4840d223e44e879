"""Writes contracts/catalogue.json from the declarations, after one of them has changed."""

from __future__ import annotations

from pipeline.contracts.catalogue import CATALOGUE_FILE, catalogue_bytes
from pipeline.training.recipes import RECIPES

if __name__ == "__main__":
    CATALOGUE_FILE.write_bytes(catalogue_bytes(tuple(recipe.declares for recipe in RECIPES.values())))
