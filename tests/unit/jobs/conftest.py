from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A job has its process, and its logging, to itself; here the functions' edge may have been before it."""
    root, library = logging.getLogger(), logging.getLogger("pipeline")
    before = [(one, one.handlers[:], one.level, one.propagate) for one in (root, library)]
    library.handlers, library.propagate = [], True
    yield
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)
    logging.captureWarnings(capture=False)
