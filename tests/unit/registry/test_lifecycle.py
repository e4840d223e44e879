"""Archiving, deleting, restoring and tagging of versions."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import ConflictError, InputError, NotFoundError
from pipeline.registry.lifecycle import GRACE_PERIOD, MAX_TAGS
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.clock import FakeClock
from tests.fakes.records import model_version
from tests.fakes.table import FakeTable
from tests.unit.registry.registering import LIVE, make_registry, register_ready


@pytest.fixture
def registry(clock: FakeClock) -> ModelRegistry:
    registry = make_registry(FakeTable(), clock)
    register_ready(registry, 2)
    registry.aliases.move(LIVE, 2, by="anna")
    return registry


def test_an_archived_version_is_listed_as_archived_and_can_be_restored(registry: ModelRegistry) -> None:
    registry.lifecycle.archive("demo", "adult", 1, by="anna")
    assert registry.versions.record("demo", "adult", 1).status == "ARCHIVED"
    assert [version.status for version in registry.versions.list("demo", "adult")] == ["ARCHIVED", "READY"]
    assert registry.lifecycle.restore("demo", "adult", 1).status == "READY"
    registry.aliases.move(LIVE, 1, by="anna")


@pytest.mark.parametrize("change", ["archive", "delete"])
def test_a_version_that_an_alias_points_to_is_neither_archived_nor_deleted(
    registry: ModelRegistry, change: str
) -> None:
    with pytest.raises(ConflictError, match="'live'"):
        getattr(registry.lifecycle, change)("demo", "adult", 2, by="anna")
    assert registry.versions.record("demo", "adult", 2).status == "READY"


def test_a_deleted_version_cannot_be_read_and_can_be_restored_within_the_grace_period(
    registry: ModelRegistry, clock: FakeClock
) -> None:
    deleted, until = registry.lifecycle.delete("demo", "adult", 1, by="anna")
    assert (deleted.status, until) == ("DELETED", clock() + GRACE_PERIOD)
    with pytest.raises(NotFoundError, match="undelete adult 1"):
        registry.get("demo", "adult", 1)
    assert registry.versions.list("demo", "adult")[0].status == "DELETED"
    clock.pass_seconds(GRACE_PERIOD.total_seconds() - 1)
    assert registry.lifecycle.restore("demo", "adult", 1).status == "READY"
    clock.pass_seconds(10)
    assert registry.get("demo", "adult", 1).version == 1


def test_a_deleted_version_does_not_exist_after_the_grace_period(registry: ModelRegistry, clock: FakeClock) -> None:
    registry.lifecycle.delete("demo", "adult", 1, by="anna")
    clock.pass_seconds(GRACE_PERIOD.total_seconds())
    for call in (registry.lifecycle.restore, registry.versions.record):
        with pytest.raises(NotFoundError, match="no version 1"):
            call("demo", "adult", 1)
    assert [version.version for version in registry.versions.list("demo", "adult")] == [2]


def test_changes_are_idempotent(registry: ModelRegistry, clock: FakeClock) -> None:
    for _ in range(2):
        registry.lifecycle.archive("demo", "adult", 1, by="anna")
    ends = set()
    for _ in range(2):
        ends.add(registry.lifecycle.delete("demo", "adult", 1, by="anna")[1])
        clock.pass_seconds(60)
    assert len(ends) == 1
    for _ in range(2):
        assert registry.lifecycle.restore("demo", "adult", 1).status == "READY"


def test_the_number_of_a_deleted_version_is_not_used_again(registry: ModelRegistry, clock: FakeClock) -> None:
    registry.lifecycle.delete("demo", "adult", 1, by="anna")
    clock.pass_seconds(GRACE_PERIOD.total_seconds())
    registry.register(model_version("demo_adult_00000000000f"))
    assert [version.version for version in registry.versions.list("demo", "adult")] == [2, 3]


def test_a_smoke_test_that_ends_after_archiving_does_not_restore_the_version(registry: ModelRegistry) -> None:
    registry.lifecycle.archive("demo", "adult", 1, by="anna")
    registry.ready("demo", "adult", 1)
    assert registry.versions.record("demo", "adult", 1).status == "ARCHIVED"


def test_a_model_and_its_versions_have_tags(registry: ModelRegistry) -> None:
    assert registry.lifecycle.tag("demo", "adult", None, {"team": "churn"}) == {"team": "churn"}
    assert registry.lifecycle.tag("demo", "adult", 1, {"data": "2026", "note": "x"}) == {"data": "2026", "note": "x"}
    assert registry.lifecycle.tag("demo", "adult", 1, {"data": "2027"}, remove=("note",)) == {"data": "2027"}
    assert registry.models("demo")[0].tags == {"team": "churn"}
    assert registry.get("demo", "adult", 1).tags == {"data": "2027"}
    registry.aliases.move(LIVE, 1, by="anna")
    assert registry.models("demo")[0].tags == {"team": "churn"}


@pytest.mark.parametrize(
    "tags", [{"": "x"}, {"a b": "x"}, {"a": "x" * 257}, {f"t{n}": "" for n in range(MAX_TAGS + 1)}]
)
def test_an_invalid_tag_is_refused(registry: ModelRegistry, tags: dict[str, str]) -> None:
    with pytest.raises(InputError, match="tag"):
        registry.lifecycle.tag("demo", "adult", 1, tags)


@pytest.mark.parametrize("version", [None, 7])
def test_tagging_an_unknown_model_or_version_fails(registry: ModelRegistry, version: int | None) -> None:
    with pytest.raises(NotFoundError):
        registry.lifecycle.tag("demo", "adult" if version else "houses", version, {"a": "b"})
