"""Logging that each test of the jobs starts with."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Reset logging before a test and restore it afterwards: a job configures it for its whole process."""
    root, library = logging.getLogger(), logging.getLogger("pipeline")
    before = [(log, log.handlers[:], log.level, log.propagate) for log in (root, library)]
    library.handlers, library.propagate = [], True
    yield
    for log, handlers, level, propagate in before:
        log.handlers[:], log.propagate = handlers, propagate
        log.setLevel(level)
    logging.captureWarnings(capture=False)
