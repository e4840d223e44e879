"""Messages that nobody could handle go to those who should have had them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.contracts.errors import TransientError
from pipeline.intake.dead_letters import events, failures, uploads
from tests.fakes.messages import FakeMessages


class Recorder:
    """The function that records failures."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self._error = error

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        if self._error is not None:
            raise self._error
        self.calls.append((function, event))
        return {}


@pytest.mark.parametrize("make", [uploads, events])
def test_an_uploads_message_goes_to_the_uploads_queue_as_it_was(make: Any) -> None:
    bodies = [json.dumps({"detail": {"object": {"key": f"demo/m{number}/a.csv"}}}) for number in range(23)]
    queue, uploads_queue = FakeMessages(*bodies), FakeMessages()
    letters = make(queue, uploads_queue)
    assert letters.count() == 23
    assert letters.redrive() == 23
    assert uploads_queue.bodies == bodies
    assert (letters.count(), queue.taken) == (0, {})


def test_the_end_of_an_execution_goes_to_the_function_that_records_it_whoever_lost_it() -> None:
    event = {"detail": {"name": "demo_m_1", "status": "FAILED"}}
    by_lambda = {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event}
    recorder = Recorder()
    letters = failures(FakeMessages(json.dumps(event), json.dumps(by_lambda)), recorder, "record")
    assert letters.redrive() == 2
    assert recorder.calls == [("record", event)] * 2


def test_a_message_that_is_not_taken_is_not_deleted() -> None:
    queue = FakeMessages('{"detail": {}}')
    with pytest.raises(TransientError):
        failures(queue, Recorder(TransientError("busy")), "record").redrive()
    assert len(queue.taken) == 1


def test_an_empty_queue_has_nothing_to_hand_over() -> None:
    assert uploads(FakeMessages(), FakeMessages()).redrive() == 0
