"""The files generated from the configs of the algorithms are up to date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.spec.job_spec import SCHEMA_FILE
from tools.generated_files import DOCS, generate, main


def test_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_an_outdated_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    changed = dict(generate())
    changed[DOCS] += "changed"
    monkeypatch.setattr("tools.generated_files.generate", lambda: changed)
    assert main(["--check"]) == 1
    assert "train_yaml.md is out of date" in capsys.readouterr().out


def test_the_schema_completes_the_settings_of_each_algorithm() -> None:
    settings = json.loads(SCHEMA_FILE.read_text())["properties"]["settings"]
    assert set(settings["properties"]) == set(catalog())
    leaves = settings["properties"]["gradient_boosting"]["properties"]["num_leaves"]
    assert leaves["default"] == 15
    assert leaves["description"].startswith("Maximum leaves of a tree")
    assert {"type": "integer", "minimum": 2.0, "maximum": 131072.0} in leaves["anyOf"]
    assert "privacy_epsilon" not in settings["properties"]["mlp"]["properties"]


def test_the_schema_describes_the_fields_of_training() -> None:
    training = json.loads(SCHEMA_FILE.read_text())["$defs"]["Training"]["properties"]
    assert training["epochs"]["description"] == "Maximum passes over the training rows."


def test_the_tables_name_every_hyperparameter_that_train_yaml_sets() -> None:
    page = Path(DOCS).read_text()
    for spec in catalog().values():
        table = page.split(f"**`{spec.name}`** (")[1].split("**`")[0]
        for field in spec.hyperparameters:
            if not field.set_by and not spec.is_network:
                assert f"| `{field.name}` |" in table
