"""Every command reads all its arguments and options."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

COMMANDS = sorted((Path(__file__).parents[3] / "pipeline" / "cli" / "commands").rglob("*.py"))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_every_argument_and_option_of_a_command_is_read(path: Path) -> None:
    """Linters pass over the parameters of decorated functions: an option that nothing reads is ignored in silence."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            parameters = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)} - {"self", "cls", "_"}
            read = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
            if any(isinstance(name, ast.Attribute) and name.attr == "params" for name in ast.walk(node)):
                continue  # it reads its options by name
            assert parameters <= read | {name for name in parameters if name.startswith("_")}, node.name
