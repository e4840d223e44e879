"""A function's handler as Lambda loads it: its file, under the environment of the moment."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fakes.lambda_context import FakeLambdaContext

__all__ = ["event", "handler"]

ROOT = Path(__file__).parents[2]


def handler(function: str) -> Callable[[dict[str, Any]], Any]:
    """Import ``functions/<function>/app.py`` anew, and give its handler a context."""
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"app_of_{function}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda document: module.handler(document, FakeLambdaContext(function_name=function))


def event(name: str, **fields: Any) -> dict[str, Any]:
    """A file of tests/events, with ``fields`` of its top level replaced."""
    document: dict[str, Any] = json.loads((ROOT / "tests" / "events" / f"{name}.json").read_text())
    return document | fields
