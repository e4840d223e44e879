"""A request runs in the event loop or a thread, depending on its cost and not on its waiting time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.contracts.errors import DeadlineExceededError, OverloadedError
from pipeline.server.execution.dispatcher import MAX_INLINE_BYTES, Dispatcher
from pipeline.server.execution.run_time import measure_cost, note_run
from pipeline.server.limits import ServerLimits
from pipeline.server.telemetry.metrics import ServerMetrics


def _dispatcher() -> Dispatcher:
    return Dispatcher(ServerLimits(), ServerMetrics())


def test_a_path_that_was_never_called_runs_in_a_thread() -> None:
    assert not _dispatcher().is_fast("/infer", 10)


def test_cheap_requests_run_in_the_event_loop_unless_they_are_large() -> None:
    dispatcher = _dispatcher()
    dispatcher.record_cost("/infer", 0.0001)
    assert dispatcher.is_fast("/infer", 10)
    assert not dispatcher.is_fast("/infer", MAX_INLINE_BYTES + 1)
    dispatcher.record_cost("/slow", 0.01)
    assert not dispatcher.is_fast("/slow", 10)


def test_a_single_slow_request_does_not_move_a_path_to_threads() -> None:
    dispatcher = _dispatcher()
    for _ in range(3):
        dispatcher.record_cost("/infer", 0.0001)
    dispatcher.record_cost("/infer", 0.5)
    assert dispatcher.is_fast("/infer", 10)
    for _ in range(40):
        dispatcher.record_cost("/infer", 0.5)
    assert not dispatcher.is_fast("/infer", 10)


def _fast_dispatcher() -> Dispatcher:
    """Return a dispatcher that has seen fast requests, and whose next one in the event loop is not measured."""
    dispatcher = _dispatcher()
    dispatcher.record_cost("/infer", 0.0001)
    dispatcher.run_in_loop("/infer", lambda: None)
    assert dispatcher.is_fast("/infer", 10)
    return dispatcher


def _hold_up() -> None:
    time.sleep(0.002)
    note_run(0.01)


@pytest.mark.parametrize("fast_calls", [0, 1, 15, 16, 17])
def test_a_path_that_becomes_slow_blocks_the_event_loop_only_once(fast_calls: int) -> None:
    dispatcher = _fast_dispatcher()
    for _ in range(fast_calls):
        dispatcher.run_in_loop("/infer", lambda: None)
    inline = 0
    for _ in range(100):
        if dispatcher.is_fast("/infer", 10):
            inline += 1
            dispatcher.run_in_loop("/infer", _hold_up)
        else:
            dispatcher.run_measured("/infer", _hold_up)
    assert inline == 1


def test_a_path_returns_to_the_event_loop_after_a_fast_request_in_a_thread() -> None:
    dispatcher = _fast_dispatcher()
    dispatcher.run_in_loop("/infer", lambda: time.sleep(0.002))
    assert not dispatcher.is_fast("/infer", 10)
    dispatcher.run_measured("/infer", lambda: None)
    assert dispatcher.is_fast("/infer", 10)


def test_the_number_of_remembered_paths_is_bounded() -> None:
    dispatcher = _dispatcher()
    for number in range(10_000):
        dispatcher.record_cost(f"/{number}", 0.0001)
    assert dispatcher.is_fast("/9999", 10)
    assert not any(dispatcher.is_fast(f"/{number}", 10) for number in range(5_000))


def test_waiting_time_does_not_count_as_cost() -> None:
    _, seconds = measure_cost(lambda: time.sleep(0.02))
    assert seconds < 0.01


def test_the_cost_of_a_request_includes_its_graph_run() -> None:
    _, seconds = measure_cost(lambda: note_run(0.5))
    assert seconds == 0.5
    thread = threading.Thread(target=note_run, args=(7.0,))
    thread.start()
    thread.join()
    assert measure_cost(lambda: None)[1] < 0.5


@pytest.mark.parametrize(
    ("waited", "seconds", "error"),
    [(0.2, None, None), (0.2, 0.3, None), (0.2, 0.1, DeadlineExceededError), (11.0, 0.1, OverloadedError)],
)
def test_a_request_that_waited_longer_than_its_deadline_is_not_run(
    waited: float, seconds: float | None, error: type[Exception] | None
) -> None:
    times: Iterator[float] = iter([5.0, 5.0 + waited])
    dispatcher = Dispatcher(ServerLimits(), ServerMetrics(), clock=lambda: next(times))
    ran: list[int] = []

    async def wait() -> None:
        await dispatcher.run_in_thread(lambda: ran.append(1), seconds)

    if error is None:
        asyncio.run(wait())
    else:
        with pytest.raises(error):
            asyncio.run(wait())
    assert ran == ([] if error else [1])
