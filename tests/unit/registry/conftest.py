"""The clock and the table of the registry's tests."""

from __future__ import annotations

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.table import FakeTable


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
