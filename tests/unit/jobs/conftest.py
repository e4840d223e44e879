"""A job's process does not know the functions' edge, which keeps the library's log to itself where it is imported."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _no_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    library = logging.getLogger("pipeline")
    monkeypatch.setattr(library, "handlers", [])
    monkeypatch.setattr(library, "propagate", True)
