"""Micro-batching: which requests run together, and when batching turns off."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.server.execution.batching import BatchingSession


class SlowSession:
    """Doubles the input. A run takes ``fixed`` seconds plus ``per_row`` seconds for each row by a fake clock."""

    def __init__(self, fixed: float, per_row: float, *, rows: int | str = "rows") -> None:
        self.fixed, self.per_row = fixed, per_row
        self.now = 0.0
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self._tensor = SimpleNamespace(name="x", type="tensor(float)", shape=[rows, 1])

    def run(self, output_names: Sequence[str] | None, input_feed: dict[str, Any]) -> list[Any]:
        assert self.gate.wait(5)
        rows = len(input_feed["x"])
        self.batches.append(rows)
        self.now += self.fixed + self.per_row * rows
        if input_feed["x"].min() < 0:
            raise ValueError("negative")
        return [2 * input_feed["x"]]

    def get_inputs(self) -> list[Any]:
        return [self._tensor]

    def get_outputs(self) -> list[Any]:
        return [self._tensor]


def _batching(session: SlowSession, **options: Any) -> BatchingSession:
    return BatchingSession(session, clock=lambda: session.now, **options)


def _run(batching: BatchingSession, value: float, rows: int = 1) -> list[float]:
    return batching.run(None, {"x": np.full((rows, 1), value, np.float32)})[0].ravel().tolist()


def _run_together(session: SlowSession, batching: BatchingSession, values: Sequence[float], rows: int = 1) -> list[Any]:
    """Run one request, and the others while it runs; an exception is a result."""
    session.gate.clear()

    def attempt(value: float) -> Any:
        try:
            return _run(batching, value, rows)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(values)) as threads:
        futures = [threads.submit(attempt, values[0])]
        pause = threading.Event()
        while not batching.is_running:
            pause.wait(0.001)
        futures += [threads.submit(attempt, value) for value in values[1:]]
        while len(batching.waiting) < len(values) - 1:
            pause.wait(0.001)
        session.gate.set()
        return [future.result(5) for future in futures]


def test_waiting_requests_run_together_and_each_gets_its_rows() -> None:
    session = SlowSession(0.01, 0.0001)
    batching = _batching(session)
    _run(batching, 1)
    assert _run_together(session, batching, [1, 2, 3, 4]) == [[2], [4], [6], [8]]
    assert session.batches == [1, 1, 3]


def test_a_single_request_runs_at_once() -> None:
    session = SlowSession(0.01, 0.0001)
    batching = _batching(session)
    assert [_run(batching, value) for value in (1, 2)] == [[2], [4]]
    assert session.batches == [1, 1]


def test_a_batch_is_bounded_by_its_expected_duration() -> None:
    session = SlowSession(0.01, 0.0)
    batching = _batching(session, max_seconds=0.02)
    _run(batching, 1)
    _run_together(session, batching, [1, 2, 3, 4, 5])
    assert session.batches == [1, 1, 2, 2]


def test_a_batch_is_bounded_by_its_rows() -> None:
    session = SlowSession(0.01, 0.0001)
    batching = _batching(session, max_rows=4)
    _run(batching, 1)
    _run_together(session, batching, [1, 2, 3], rows=3)
    assert session.batches == [1, 3, 3, 3]


def test_batching_turns_off_when_batches_are_not_faster() -> None:
    session = SlowSession(0.0, 0.01)
    batching = _batching(session)
    _run(batching, 1)
    _run_together(session, batching, [1, 2, 3])
    assert session.batches[-1] == 2
    assert not batching.is_batching
    _run_together(session, batching, [1, 2, 3])
    assert session.batches[-3:] == [1, 1, 1]


def test_fast_models_are_not_batched() -> None:
    session = SlowSession(0.0001, 0.0)
    batching = _batching(session)
    _run(batching, 1)
    assert not batching.is_batching


def test_a_graph_with_a_fixed_number_of_rows_is_not_batched() -> None:
    session = SlowSession(0.01, 0.0, rows=1)
    batching = _batching(session)
    _run(batching, 1)
    assert not batching.is_batching


def test_an_invalid_request_does_not_fail_others_in_its_batch() -> None:
    session = SlowSession(0.01, 0.0001)
    batching = _batching(session)
    _run(batching, 1)
    results = _run_together(session, batching, [1, -1, 3])
    assert (results[0], results[2]) == ([2], [6])
    assert isinstance(results[1], ValueError)
    assert session.batches == [1, 1, 2, 1, 1]
    assert _run(batching, 3) == [6]


@pytest.mark.parametrize("fixed", [0.01, 0.0])
def test_many_threads_get_their_own_results(fixed: float) -> None:
    session = SlowSession(fixed, 0.01)
    batching = _batching(session)
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda value: _run(batching, value), range(200)))
    assert results == [[2 * value] for value in range(200)]


def test_a_single_slow_run_does_not_turn_batching_on() -> None:
    session = SlowSession(0.0001, 0.0)
    batching = _batching(session)
    _run(batching, 1)
    session.fixed = 0.1
    _run(batching, 1)  # measured: the second run is
    session.fixed = 0.0001
    assert not batching.is_batching
    session.fixed = 0.1
    for _ in range(200):
        _run(batching, 1)
    assert batching.is_batching  # it has become slow
