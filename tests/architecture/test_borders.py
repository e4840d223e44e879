"""Boundaries that a linter cannot check: what a handler imports, and where the environment is read."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools.import_times import HANDLERS, handler_environment

ROOT = Path(__file__).parents[2]
HEAVY = ["torch", "sklearn", "pandas", "onnx", "lightgbm", "skl2onnx", "scipy", "ministack"]
# Every import costs time at a cold start; the serving path imports the least.
ALSO_BANNED = {
    "predict": ["aws_lambda_powertools", "botocore", "httpx", "pydantic", "polars", "yaml", "rich", "typer"],
    "authorize_request": ["onnxruntime", "numpy", "polars"],
}
SOURCES = sorted([*(ROOT / "pipeline").rglob("*.py"), *HANDLERS])


def _imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module}
    return modules


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_handlers_are_found() -> None:
    assert len(HANDLERS) >= 13


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda p: p.parent.name)
def test_a_handler_imports_without_the_training_libraries(handler: Path) -> None:
    name = handler.parent.name
    banned = HEAVY + ALSO_BANNED.get(name, [])
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({banned!r}))\n"
        f"sys.path.insert(0, {str(handler.parent)!r})\n"
        "import app\napp.handler"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=handler_environment(name), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda p: p.parent.name)
def test_a_handler_is_short_and_does_not_import_boto3(handler: Path) -> None:
    tree = ast.parse(handler.read_text())
    assert not {i.split(".")[0] for i in _imports(handler)} & {"boto3", "botocore", "os"}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 25, f"{node.name} is not thin"


@pytest.mark.parametrize("path", SOURCES, ids=_id)
def test_no_module_imports_a_lambda_function(path: Path) -> None:
    assert not {i for i in _imports(path) if i.split(".")[0] == "functions"}


@pytest.mark.parametrize("path", SOURCES, ids=_id)
def test_only_the_composition_root_reads_the_environment(path: Path) -> None:
    if "local" in path.parts or "bootstrap" in path.parts or path.parent.name + path.name == "pipeline__init__.py":
        return  # the package itself reads nothing: it turns telemetry off before anything imports onnxruntime
    reads = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    assert not reads & {"environ", "getenv", "environb"}


@pytest.mark.parametrize("path", SOURCES, ids=_id)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            document = ast.get_docstring(node, clean=False)
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1 - (document.count("\n") + 1 if document else 0)
            assert lines <= 60, f"{node.name} has {lines} lines"
