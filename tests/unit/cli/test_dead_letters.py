"""dead-letters counts the messages that could not be processed, and sends them again with --redrive."""

from __future__ import annotations

from pipeline.intake.dead_letters import events, uploads
from tests.fakes.messages import FakeMessages
from tests.unit.cli.conftest import Stage


def test_dead_letters_are_counted_and_stay_in_the_queue(stage: Stage) -> None:
    queue, uploads_queue = FakeMessages("a", "b"), FakeMessages()
    stage.dead_letters = (uploads(queue, uploads_queue), events(FakeMessages(), uploads_queue))
    documents = stage.json("dead-letters", "--json")
    assert [(document["queue"], document["messages"]) for document in documents] == [("uploads", 2), ("events", 0)]
    assert "redriven" not in documents[0]
    assert (queue.count(), uploads_queue.count()) == (2, 0)
    assert "uploads" in stage.run("dead-letters").stdout
    assert stage.audit.list() == []


def test_redrive_sends_all_dead_letters_again(stage: Stage) -> None:
    queue, uploads_queue = FakeMessages("a", "b"), FakeMessages()
    stage.dead_letters = (uploads(queue, uploads_queue),)
    done = stage.run("dead-letters", "--redrive")
    assert done.exit_code == 0
    assert "2 sent again" in done.stderr
    assert uploads_queue.bodies == ["a", "b"]
    (entry,) = stage.audit.list(tenant="_")
    assert (entry.action, entry.resource) == ("dead-letters --redrive", "uploads")
    assert stage.json("dead-letters", "--redrive", "--json")[0]["redriven"] == 0
