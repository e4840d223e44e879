"""The registry on DynamoDB and on the fake table, with concurrent changes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.contracts.errors import AliasMovedError, ConflictError
from pipeline.contracts.ports import Table
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.clock import FakeClock
from tests.fakes.table import FakeTable
from tests.helpers.overtaken_table import OvertakenTable
from tests.unit.registry.registering import LIVE, make_registry, register_ready

CLIENTS = 8
MOVES_EACH = {FakeTable: 125, DynamoTable: 2}  # moto takes 0.1 s for a move


def test_an_alias_moves_forward_and_back_with_a_history(table: Table) -> None:
    registry = make_registry(table)
    register_ready(registry, 3)
    for version in (1, 2, 3):
        registry.aliases.move(LIVE, version, by="anna")
    registry.aliases.roll_back(LIVE, by="bert", reason="errors", expected=3)
    with pytest.raises(AliasMovedError, match="version 2"):
        registry.aliases.move(LIVE, 1, by="anna", expected=3)
    assert registry.live("demo", "adult").version == registry.models("demo")[0].live_version == 2
    assert [(move.version, move.previous) for move in registry.moves.list("demo", "adult", limit=2)] == [(2, 3), (3, 2)]


def test_a_version_is_archived_deleted_restored_and_tagged(table: Table) -> None:
    registry = make_registry(table)
    register_ready(registry, 2)
    registry.aliases.move(LIVE, 2, by="anna")
    registry.lifecycle.archive("demo", "adult", 1, by="anna")
    registry.lifecycle.delete("demo", "adult", 1, by="anna")
    assert [version.status for version in registry.versions.list("demo", "adult")] == ["DELETED", "READY"]
    registry.lifecycle.restore("demo", "adult", 1)
    registry.lifecycle.tag("demo", "adult", 1, {"team": "churn"})
    assert (registry.get("demo", "adult", 1).status, registry.get("demo", "adult", 1).tags) == (
        "READY", {"team": "churn"},
    )  # fmt: skip


def test_a_version_that_becomes_live_during_archiving_is_not_archived(table: Table) -> None:
    registry = make_registry(table)
    register_ready(registry, 2)
    overtaken = make_registry(OvertakenTable(table, lambda: registry.aliases.move(LIVE, 1, by="anna")))
    with pytest.raises(ConflictError, match="'live'"):
        overtaken.lifecycle.archive("demo", "adult", 1, by="bert")
    assert registry.versions.record("demo", "adult", 1).status == "READY"


def test_a_version_that_is_archived_during_a_promotion_does_not_become_live(table: Table) -> None:
    registry = make_registry(table)
    register_ready(registry, 2)
    overtaken = make_registry(OvertakenTable(table, lambda: registry.lifecycle.archive("demo", "adult", 1, by="bert")))
    with pytest.raises(ConflictError, match="archived"):
        overtaken.aliases.move(LIVE, 1, by="anna")
    assert registry.aliases.version(LIVE) is None


def _move_often(registry: ModelRegistry, client: int, count: int) -> list[tuple[int | None, int]]:
    """Promote and roll back in turn; return the moves that took effect."""
    moves = []
    for number in range(count):
        try:
            move = (
                registry.aliases.roll_back(LIVE, by=f"client {client}")
                if number % 3 == 2
                else registry.aliases.move(LIVE, 1 + (client + number) % 4, by=f"client {client}", reason=str(number))
            )
        except ConflictError:  # nothing to return to
            continue
        if move is not None:
            moves.append((move.previous, move.version))
    return moves


def _check_reads(registry: ModelRegistry, stop: threading.Event) -> int:
    """Read the live version until ``stop``; each read must find exactly one READY version."""
    reads = 0
    while not stop.is_set():
        version = registry.live("demo", "adult")
        assert (version.status, version.version in range(1, 5)) == ("READY", True)
        reads += 1
    return reads


def test_concurrent_moves_are_each_recorded_once_and_readers_see_one_live_version(table: Table) -> None:
    lock = threading.Lock()

    class Serial:
        """One call at a time, since moto is not safe for threads; whole moves still overlap."""

        def __getattr__(self, name: str) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                with lock:
                    return getattr(table, name)(*arguments, **options)

            return call

    registry = make_registry(Serial(), FakeClock(), sleep=lambda seconds: time.sleep(seconds / 10))
    register_ready(registry, 4)
    registry.aliases.move(LIVE, 1, by="anna")
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS + 2) as pool:
        readers = [pool.submit(_check_reads, registry, stop) for _ in range(2)]
        clients = [pool.submit(_move_often, registry, client, MOVES_EACH[type(table)]) for client in range(CLIENTS)]
        try:
            moved = [move for client in clients for move in client.result()]
        finally:
            stop.set()
        assert all(reader.result() > 0 for reader in readers)
    history = registry.moves.list("demo", "adult")[::-1]
    assert sorted((move.previous or 0, move.version) for move in history[1:]) == sorted(
        (previous or 0, version) for previous, version in moved
    )
    assert all(later.previous == earlier.version for earlier, later in pairwise(history))
    assert registry.live("demo", "adult").version == registry.models("demo")[0].live_version == history[-1].version
