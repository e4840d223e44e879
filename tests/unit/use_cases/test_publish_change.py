"""Changes become events, and signed requests to a webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pipeline.cloud.event_bridge import EventBridge
from pipeline.cloud.webhook import Webhook
from pipeline.contracts.errors import TransientError
from pipeline.contracts.records.change import Change
from pipeline.intake.changes import parse_change
from pipeline.registry.audit import AuditLog
from pipeline.use_cases.management.publish_change import PublishChange
from tests.fakes.table import FakeTable

RUN = {"pk": "TENANT#demo", "sk": "RUN#demo_adult_00000000000a", "run": "demo_adult_00000000000a", "tenant": "demo",
       "model": "adult", "ended_at": "2026-11-30T12:00:00+00:00", "events": {"1": "what jobs took"}}  # fmt: skip
MOVE = {"pk": "TENANT#demo#MODEL#adult", "sk": "HISTORY#2026#live", "alias": "live", "by": "anna", "reason": "",
        "at": "2026-11-30T12:00:01+00:00"}  # fmt: skip
CHANGE = Change(id="c1", kind="Version Promoted", tenant="demo", time="2026", detail={"model": "adult", "version": 2})


def parse(name: str, old: dict[str, Any], new: dict[str, Any]) -> Change | None:
    return parse_change(name, old, new, change_id="c1")


def test_the_end_of_a_failed_run_is_a_change() -> None:
    error = {"type": "TooFewRowsError", "message": "too few"}
    ended = parse("MODIFY", {**RUN, "status": "RUNNING"}, {**RUN, "status": "FAILED", "error": error})
    assert ended is not None
    assert (ended.kind, ended.tenant, ended.time) == ("Run Ended", "demo", "2026-11-30T12:00:00+00:00")
    assert ended.detail == {"run": RUN["run"], "model": "adult", "status": "FAILED", "error": error}


@pytest.mark.parametrize(
    ("version", "previous", "kind"),
    [(3, 2, "Version Promoted"), (1, None, "Version Promoted"), (2, 3, "Version Rolled Back")],
)
def test_a_move_is_a_promotion_or_a_rollback(version: int, previous: int | None, kind: str) -> None:
    move = parse("INSERT", {}, {**MOVE, "version": version, "previous": previous})
    assert move is not None
    assert (move.kind, move.detail["model"], move.detail["version"]) == (kind, "adult", version)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("MODIFY", {**RUN, "status": "RUNNING"}, {**RUN, "status": "RUNNING"}),
        ("MODIFY", {**RUN, "status": "NEEDS_DECISION"}, {**RUN, "status": "SUCCEEDED"}),
        ("INSERT", {}, {**RUN, "status": "RUNNING"}),
        ("INSERT", {}, {"pk": "TENANT#demo#MODEL#adult", "sk": "RUN#demo_adult_00000000000a", "version": 1}),
        ("REMOVE", {**MOVE, "version": 1}, {}),
        ("INSERT", {}, {"pk": "AUDIT#demo", "sk": "ENTRY#1"}),
    ],
)
def test_other_table_changes_are_ignored(name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    assert parse(name, old, new) is None


@dataclass
class Listener:
    """A server that remembers requests, and answers with the next status; the last one stays."""

    statuses: list[int]
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener([200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(heard.statuses.pop(0) if heard.statuses[1:] else heard.statuses[0])
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    heard.url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
    yield heard
    server.shutdown()
    server.server_close()


def test_a_request_is_signed_with_its_time(listener: Listener) -> None:
    Webhook(listener.url, "secret", now=lambda: 1_796_000_000.9).notify(CHANGE)
    ((headers, body),) = listener.requests
    assert json.loads(body) == CHANGE.model_dump(mode="json")
    assert (headers["modeldrop-id"], headers["modeldrop-timestamp"]) == ("c1", "1796000000")
    expected = hmac.new(b"secret", b"1796000000." + body, hashlib.sha256).hexdigest()
    assert headers["modeldrop-signature"] == f"v1={expected}"


def test_a_request_is_retried_with_growing_waits(listener: Listener) -> None:
    listener.statuses = [503, 302, 204]
    waits: list[float] = []
    Webhook(listener.url, "secret", sleep=waits.append).notify(CHANGE)
    assert (len(listener.requests), waits) == (3, [1.0, 4.0])


class FakeBus:
    """EventBridge's client."""

    def __init__(self, failed: int = 0) -> None:
        self.entries: list[dict[str, Any]] = []
        self.failed = failed

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - botocore's name
        self.entries += Entries
        return {"FailedEntryCount": self.failed, "Entries": [{"ErrorCode": "ThrottlingException"}]}


def test_an_unreachable_webhook_is_recorded_and_the_event_is_published() -> None:
    bus, audit = FakeBus(), AuditLog(FakeTable())
    webhook = Webhook("http://127.0.0.1:9/", "secret", sleep=lambda _: None)
    PublishChange(events=EventBridge(bus), webhook=webhook, audit=audit)(CHANGE)
    assert [(entry["Source"], entry["DetailType"]) for entry in bus.entries] == [("modeldrop", "Version Promoted")]
    assert json.loads(bus.entries[0]["Detail"])["version"] == 2
    (entry,) = audit.list(tenant="demo")
    assert (entry.principal, entry.resource, entry.outcome) == ("webhook", "adult", "denied")


def test_an_event_that_the_bus_refuses_is_a_transient_error() -> None:
    with pytest.raises(TransientError, match="ThrottlingException"):
        PublishChange(events=EventBridge(FakeBus(failed=1)), webhook=None, audit=AuditLog(FakeTable()))(CHANGE)
