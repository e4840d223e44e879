"""Messages of dead-letter queues are sent again to the queue or the function that should have handled them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.contracts.errors import TransientError
from pipeline.intake.dead_letters import events, failures, uploads
from tests.fakes.messages import FakeMessages


class Recorder:
    """A fake of the function that records failures."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self._error = error

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        if self._error is not None:
            raise self._error
        self.calls.append((function, event))
        return {}


@pytest.mark.parametrize("make", [uploads, events])
def test_messages_of_uploads_go_unchanged_to_the_uploads_queue(make: Any) -> None:
    bodies = [json.dumps({"detail": {"object": {"key": f"demo/m{number}/a.csv"}}}) for number in range(23)]
    queue, uploads_queue = FakeMessages(*bodies), FakeMessages()
    letters = make(queue, uploads_queue)
    assert letters.count() == 23
    assert letters.redrive() == 23
    assert uploads_queue.bodies == bodies
    assert (letters.count(), queue.taken) == (0, {})


def test_the_event_of_an_ended_execution_goes_to_the_recording_function_in_both_formats() -> None:
    event = {"detail": {"name": "demo_m_1", "status": "FAILED"}}
    by_lambda = {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event}
    recorder = Recorder()
    letters = failures(FakeMessages(json.dumps(event), json.dumps(by_lambda)), recorder, "record")
    assert letters.redrive() == 2
    assert recorder.calls == [("record", event)] * 2


def test_a_message_that_cannot_be_handled_is_not_deleted() -> None:
    queue = FakeMessages('{"detail": {}}')
    with pytest.raises(TransientError):
        failures(queue, Recorder(TransientError("busy")), "record").redrive()
    assert len(queue.taken) == 1


def test_redriving_an_empty_queue_sends_nothing() -> None:
    assert uploads(FakeMessages(), FakeMessages()).redrive() == 0
