"""The sentences that a first-time user reads use standard terms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import pipeline
from pipeline.cli.main import app
from tests.unit.cli.conftest import Stage

SOURCES = Path(pipeline.__file__).parent
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # it is a group
RETIRED = (
    "less a fifth of the log loss",
    "trained once more",
    "the floor that",
    "a model a fold",
    "dealt to other rows",
    "that chance does not explain",
    "tell accuracy only to within",
    "Whose.",
    "put beside the file before it",
    "none is better in quality",
    "Say where the stack is",
)


@pytest.mark.parametrize("words", RETIRED)
def test_no_retired_sentence_is_in_the_package(words: str) -> None:
    texts = [*SOURCES.rglob("*.py"), *SOURCES.rglob("*.json")]
    assert [path.name for path in texts if words in path.read_text()] == []


def test_the_help_of_an_option_names_owner_and_purpose() -> None:
    options = {parameter.name: parameter.help for parameter in COMMANDS["drop"].params}
    assert options["tenant"] == "Tenant that owns it (default: the stack's)."
    assert options["spec"] == "Training settings; uploaded first and kept for later drops."
    assert COMMANDS["status"].help == "Show addresses and API key."


def test_the_purpose_of_a_candidate_uses_standard_terms() -> None:
    catalog = json.loads((SOURCES / "contracts" / "algorithms" / "catalog.json").read_text())
    texts = json.dumps(catalog)
    assert "as the baseline" in texts
    assert "usually the best on tables; early-stopped on held-out rows" in texts


def test_every_command_and_option_has_a_help_text(stage: Stage) -> None:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            assert getattr(parameter, "hidden", False) or parameter.help, f"{name}: {parameter.name}"
