"""Write the catalog of the algorithms (catalogue.json) and the JSON Schema of train.yaml."""

from __future__ import annotations

import json

from pipeline.contracts.algorithms.catalog import CATALOGUE_FILE, catalogue_text
from pipeline.training.algorithms import RECIPES

if __name__ == "__main__":
    CATALOGUE_FILE.write_text(catalogue_text([recipe.spec for recipe in RECIPES.values()]))

    from pipeline.contracts.spec import job_spec  # it reads the catalog when it is imported

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **job_spec.JobSpec.model_json_schema()}
    job_spec.SCHEMA_FILE.write_text(json.dumps(schema, indent=2) + "\n")
