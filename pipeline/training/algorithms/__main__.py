"""Writes what is made of the declarations: spec/catalogue.json, and the JobSpec's schema, which names them."""

from __future__ import annotations

import json

from pipeline.contracts.spec.algorithm_catalog import CATALOGUE_FILE, catalogue_bytes
from pipeline.training.algorithms import RECIPES

if __name__ == "__main__":
    CATALOGUE_FILE.write_bytes(catalogue_bytes(tuple(recipe.declares for recipe in RECIPES.values())))

    from pipeline.contracts.spec.job_spec import JobSpec  # it reads the catalogue when it is imported

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **JobSpec.model_json_schema()}
    CATALOGUE_FILE.with_name("job_spec.schema.json").write_text(json.dumps(schema, indent=2) + "\n")
