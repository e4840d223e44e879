"""Load Lambda functions from their files, and the events that AWS sends them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["event", "load_function"]

ROOT = Path(__file__).parents[2]


def event(name: str, **changes: Any) -> dict[str, Any]:
    """Return an event of tests/events, with top-level fields replaced."""
    document: dict[str, Any] = json.loads((ROOT / "tests" / "events" / f"{name}.json").read_text())
    return document | changes


def load_function(function: str) -> ModuleType:
    """Import ``functions/<function>/app.py`` anew, with the current environment variables."""
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"app_of_{function}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
