"""Moves of aliases: compare-and-set, rollback, history."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.contracts.errors import AliasMovedError, ConflictError, InputError, NotFoundError
from pipeline.contracts.table_keys import alias_key, model_key
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.clock import FakeClock
from tests.fakes.records import NOW
from tests.fakes.table import FakeTable
from tests.unit.registry.registering import LIVE, make_registry, register_ready

CANARY = AliasRef("demo", "adult", "canary")


@pytest.fixture
def registry(table: FakeTable, clock: FakeClock) -> ModelRegistry:
    registry = make_registry(table, clock)
    register_ready(registry, 4)
    return registry


def promote(registry: ModelRegistry, *versions: int) -> None:
    for version in versions:
        registry.aliases.move(LIVE, version, by="anna")


def test_a_move_records_caller_time_versions_and_reason(registry: ModelRegistry, clock: FakeClock) -> None:
    promote(registry, 1)
    clock.pass_seconds(5)
    moved = registry.aliases.move(LIVE, 2, by="anna", reason="better recall")
    newest, oldest = registry.moves.list("demo", "adult")
    assert newest == moved
    assert newest.model_dump() == {
        "at": clock(), "alias": "live", "version": 2, "previous": 1, "by": "anna", "reason": "better recall",
    }  # fmt: skip
    assert (oldest.version, oldest.previous, oldest.reason) == (1, None, "")


def test_a_move_to_the_current_version_is_not_recorded(registry: ModelRegistry) -> None:
    promote(registry, 1)
    assert registry.aliases.move(LIVE, 1, by="bert") is None
    assert len(registry.moves.list("demo", "adult")) == 1


def test_aliases_move_independently_and_the_summary_has_all_of_them(registry: ModelRegistry) -> None:
    promote(registry, 1, 2)
    registry.aliases.move(CANARY, 3, by="anna")
    assert (registry.aliases.version(LIVE), registry.aliases.version(CANARY)) == (2, 3)
    summary = registry.models("demo")[0]
    assert (summary.aliases, summary.live_version) == ({"live": 2, "canary": 3}, 2)


@pytest.mark.parametrize(("expected", "current"), [(2, "version 1"), (None, "version 1")])
def test_a_move_that_expects_another_version_is_refused_with_the_current_version(
    registry: ModelRegistry, expected: int | None, current: str
) -> None:
    promote(registry, 1)
    with pytest.raises(AliasMovedError, match=current) as raised:
        registry.aliases.move(LIVE, 3, by="anna", expected=expected)
    assert raised.value.details["current"] == registry.aliases.version(LIVE) == 1


def test_a_move_may_expect_that_the_alias_does_not_exist(registry: ModelRegistry) -> None:
    with pytest.raises(AliasMovedError, match="no version"):
        registry.aliases.move(CANARY, 1, by="anna", expected=1)
    assert registry.aliases.move(CANARY, 1, by="anna", expected=None) is not None


def test_repeated_rollbacks_return_through_the_promotions(registry: ModelRegistry) -> None:
    promote(registry, 1, 2, 3)
    moves = [registry.aliases.roll_back(LIVE, by="anna", reason="errors") for _ in range(2)]
    assert [(move.previous, move.version, move.reason) for move in moves] == [(3, 2, "errors"), (2, 1, "errors")]
    with pytest.raises(ConflictError, match="no version to return to"):
        registry.aliases.roll_back(LIVE, by="anna")


def test_a_promotion_after_a_rollback_is_rolled_back_to_the_version_before_the_promotion(
    registry: ModelRegistry,
) -> None:
    promote(registry, 1, 2)
    registry.aliases.roll_back(LIVE, by="anna")
    promote(registry, 3)
    assert registry.aliases.roll_back(LIVE, by="anna").version == 1


def test_a_rollback_that_expects_another_version_is_refused(registry: ModelRegistry) -> None:
    promote(registry, 1, 2)
    with pytest.raises(AliasMovedError, match="version 2"):
        registry.aliases.roll_back(LIVE, by="anna", expected=3)


def test_an_alias_that_does_not_exist_cannot_be_rolled_back(registry: ModelRegistry) -> None:
    with pytest.raises(NotFoundError, match="canary"):
        registry.aliases.roll_back(CANARY, by="anna")


def test_no_alias_moves_to_an_archived_or_deleted_version(registry: ModelRegistry) -> None:
    promote(registry, 1, 2, 3)
    registry.lifecycle.archive("demo", "adult", 2, by="anna")
    registry.lifecycle.delete("demo", "adult", 1, by="anna")
    with pytest.raises(ConflictError, match="archived"):
        registry.aliases.roll_back(LIVE, by="anna")
    with pytest.raises(ConflictError, match="archived"):
        promote(registry, 2)
    with pytest.raises(NotFoundError, match="deleted"):
        promote(registry, 1)


@pytest.mark.parametrize("name", ["", "3", "Live", "a b", "x" * 33, "-a", "a/b", "a#b"])
def test_an_invalid_alias_name_is_refused(registry: ModelRegistry, name: str) -> None:
    with pytest.raises(InputError, match="alias"):
        registry.aliases.move(AliasRef("demo", "adult", name), 1, by="anna")


def test_a_reason_of_more_than_500_characters_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(InputError, match="500"):
        registry.aliases.move(LIVE, 1, by="anna", reason="x" * 501)


def test_moves_stay_ordered_when_clocks_disagree(registry: ModelRegistry, clock: FakeClock) -> None:
    promote(registry, 1)
    clock.pass_seconds(-60)
    promote(registry, 2, 3)
    moves = registry.moves.list("demo", "adult")
    assert [move.version for move in moves] == [3, 2, 1]
    assert len({move.at for move in moves}) == 3


def test_the_history_gives_the_live_version_at_any_time(registry: ModelRegistry, clock: FakeClock) -> None:
    for version in (1, 2, 1):
        clock.pass_seconds(10)
        promote(registry, version)
        registry.aliases.move(CANARY, version, by="anna")
    seconds = {5: None, 10: 1, 19: 1, 20: 2, 29: 2, 30: 1, 1000: 1}
    for after, version in seconds.items():
        moment = NOW + timedelta(seconds=after, microseconds=1)
        moves = registry.moves.list("demo", "adult", alias="live", limit=1, before=moment)
        assert [move.version for move in moves] == ([] if version is None else [version])


def test_a_history_is_read_in_pages(registry: ModelRegistry) -> None:
    promote(registry, *(1 + number % 4 for number in range(120)))
    moves = registry.moves.list("demo", "adult")
    assert len(moves) == 120
    assert moves == sorted(moves, key=lambda move: move.at, reverse=True)
    assert registry.moves.list("demo", "adult", limit=3) == moves[:3]
    assert registry.moves.list("demo", "adult", limit=3, before=moves[2].at) == moves[3:6]
    assert registry.moves.list("demo", "adult", alias="canary") == []


def test_aliases_of_an_older_release_can_be_rolled_back(registry: ModelRegistry, table: FakeTable) -> None:
    promote(registry, 1, 2)
    for key, names in ((alias_key("demo", "adult", "live"), ["earlier"]), (model_key("demo", "adult"), ["aliases"])):
        table.update(*key, {}, remove=names)
    with pytest.raises(ConflictError, match="'live'"):
        registry.lifecycle.archive("demo", "adult", 2, by="anna")
    assert registry.aliases.roll_back(LIVE, by="anna").version == 1
    assert registry.models("demo")[0].aliases == {"live": 1}
