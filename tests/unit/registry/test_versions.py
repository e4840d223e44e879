"""Registration and promotion of versions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations

import pytest

from pipeline.contracts.errors import ConflictError, IntegrityError, NotFoundError, OlderUploadError, TransientError
from pipeline.contracts.ports import PutRequest
from pipeline.contracts.records.model_version import ModelVersion
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.clock import FakeClock
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import MODEL_BYTES, NOW, artifact, model_version
from tests.fakes.table import FakeTable


@pytest.fixture
def artifacts() -> FakeObjectStore:
    store = FakeObjectStore("artifacts")
    store.put(artifact().key, MODEL_BYTES)
    return store


@pytest.fixture
def registry(artifacts: FakeObjectStore, clock: FakeClock) -> ModelRegistry:
    return ModelRegistry(FakeTable(), artifacts, now=clock)


def register(registry: ModelRegistry, run: str, model: str = "adult") -> ModelVersion:
    return registry.register(model_version(run, model))


def live(registry: ModelRegistry, count: int, by: str = "test") -> None:
    """Register ``count`` READY versions and make the last one live."""
    for number in range(1, count + 1):
        register(registry, f"demo_adult_{number:012d}")
        registry.ready("demo", "adult", number)
    registry.aliases.move(AliasRef("demo", "adult"), count, by=by)


def test_versions_count_from_one_in_each_model(registry: ModelRegistry) -> None:
    assert [register(registry, f"demo_adult_{n}").version for n in range(3)] == [1, 2, 3]
    assert register(registry, "demo_other_0", "other").version == 1
    assert [version.version for version in registry.versions.list("demo", "adult")] == [1, 2, 3]
    assert [(m.model, m.latest_version, m.live_version) for m in registry.models("demo")] == [
        ("adult", 3, None),
        ("other", 1, None),
    ]


def test_a_run_registers_only_one_version(registry: ModelRegistry) -> None:
    first = register(registry, "demo_adult_1")
    register(registry, "demo_adult_2")
    assert register(registry, "demo_adult_1") == first
    assert len(registry.versions.list("demo", "adult")) == 2


def test_concurrent_runs_get_consecutive_numbers(registry: ModelRegistry) -> None:
    start = threading.Barrier(20)

    def race(number: int) -> int:
        start.wait()
        return register(registry, f"demo_adult_{number:012d}").version

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(race, range(20))) == list(range(1, 21))


def test_concurrent_registrations_of_one_run_get_the_same_version(registry: ModelRegistry) -> None:
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda _: register(registry, "demo_adult_1").version, range(8)))
    assert versions == [1] * 8
    assert len(registry.versions.list("demo", "adult")) == 1


def test_a_version_without_its_artifact_is_not_registered(registry: ModelRegistry, artifacts: FakeObjectStore) -> None:
    artifacts.delete(artifact().key)
    with pytest.raises(IntegrityError, match="not in the bucket artifacts"):
        register(registry, "demo_adult_1")
    artifacts.put(artifact().key, MODEL_BYTES + b"more")
    with pytest.raises(IntegrityError, match="8 bytes, not 4"):
        register(registry, "demo_adult_1")
    assert registry.models("demo") == []


def test_only_a_ready_version_is_promoted(registry: ModelRegistry) -> None:
    register(registry, "demo_adult_1")
    with pytest.raises(ConflictError, match="smoke test"):
        registry.aliases.move(AliasRef("demo", "adult"), 1, by="test")
    with pytest.raises(NotFoundError):
        registry.live("demo", "adult")
    assert registry.ready("demo", "adult", 1).status == "READY"
    registry.aliases.move(AliasRef("demo", "adult"), 1, by="test")
    assert registry.live("demo", "adult").version == 1


def test_an_alias_moves_forward_and_back_and_its_history_is_kept(registry: ModelRegistry, clock: FakeClock) -> None:
    live(registry, 2)
    clock.pass_seconds(1)
    registry.aliases.move(AliasRef("demo", "adult"), 1, by="anna")
    assert registry.live("demo", "adult").version == 1
    assert registry.models("demo")[0].live_version == 1
    moves = registry.moves.list("demo", "adult")[::-1]
    assert [(m.alias, m.version, m.previous, m.by) for m in moves] == [
        ("live", 2, None, "test"),
        ("live", 1, 2, "anna"),
    ]
    assert moves[1].at == clock()


def test_a_repeated_promotion_is_one_move(registry: ModelRegistry, clock: FakeClock) -> None:
    live(registry, 1)
    clock.pass_seconds(1)
    registry.aliases.move(AliasRef("demo", "adult"), 1, by="test")
    assert len(registry.moves.list("demo", "adult")[::-1]) == 1


def test_a_move_of_another_alias_does_not_change_the_live_version(registry: ModelRegistry, clock: FakeClock) -> None:
    live(registry, 2)
    clock.pass_seconds(1)
    registry.aliases.move(AliasRef("demo", "adult", "canary"), 1, by="test")
    assert registry.live("demo", "adult").version == 2
    assert registry.live("demo", "adult", alias="canary").version == 1
    assert registry.models("demo")[0].live_version == 2


def test_a_registration_does_not_change_the_live_version(registry: ModelRegistry) -> None:
    live(registry, 1)
    register(registry, "demo_adult_new")
    assert [(m.latest_version, m.live_version) for m in registry.models("demo")] == [(2, 1)]


def test_concurrent_promotions_leave_an_unbroken_history(registry: ModelRegistry, clock: FakeClock) -> None:
    live(registry, 8)

    def promote(version: int) -> None:
        clock.pass_seconds(1)
        registry.aliases.move(AliasRef("demo", "adult"), version, by="test")

    with ThreadPoolExecutor(7) as pool:
        list(pool.map(promote, range(1, 8)))
    moves = {move.previous: move.version for move in registry.moves.list("demo", "adult")[::-1]}
    at, chain = None, []
    while at in moves:
        at = moves.pop(at)
        chain.append(at)
    assert not moves
    assert sorted(chain) == list(range(1, 9))
    assert registry.live("demo", "adult").version == chain[-1] == registry.models("demo")[0].live_version


def test_another_tenant_cannot_see_the_versions(registry: ModelRegistry) -> None:
    live(registry, 1)
    with pytest.raises(NotFoundError):
        registry.get("acme", "adult", 1)
    with pytest.raises(NotFoundError):
        registry.live("acme", "adult")
    assert registry.models("acme") == registry.versions.list("acme", "adult") == []


def test_models_of_all_tenants_are_listed_without_a_tenant(registry: ModelRegistry, clock: FakeClock) -> None:
    register(registry, "demo_a_1", "a")
    clock.pass_seconds(1)
    register(registry, "demo_b_1", "b")
    assert [summary.model for summary in registry.models()] == ["b", "a"]


def test_a_registration_that_always_loses_the_race_is_a_transient_error(artifacts: FakeObjectStore) -> None:
    class Contended(FakeTable):
        def write_all(self, puts: list[PutRequest]) -> bool:
            return False

    with pytest.raises(TransientError, match="busy"):
        register(ModelRegistry(Contended(), artifacts, sleep=lambda _: None), "demo_adult_1")


@pytest.mark.parametrize(
    ("movers", "replaced"),
    [
        (["run", "person", "run"], True),
        (["person", "run"], True),
        (["run", "run"], False),
        (["run", "person", "run", "run"], False),  # the person's choice was replaced by the run before
        (["run", "person"], False),
    ],
)
def test_replaced_choice_returns_the_replaced_version_that_a_person_promoted(
    registry: ModelRegistry, clock: FakeClock, movers: list[str], replaced: bool
) -> None:
    for number, mover in enumerate(movers, 1):
        live(registry, number, by=f"demo_adult_{number:012x}" if mover == "run" else "modeldrop promote by anna_b")
        clock.pass_seconds(1)
    move = registry.moves.replaced_choice("demo", "adult", f"demo_adult_{len(movers):012x}")
    assert (move is not None) is replaced
    if move is not None:
        assert (move.version, move.by) == (len(movers) - 1, "modeldrop promote by anna_b")


def test_moves_of_another_alias_are_not_a_choice_of_the_live_version(registry: ModelRegistry, clock: FakeClock) -> None:
    live(registry, 1, by="demo_adult_000000000001")
    clock.pass_seconds(1)
    registry.aliases.move(AliasRef("demo", "adult", "canary"), 1, by="anna")
    clock.pass_seconds(1)
    live(registry, 2, by="demo_adult_000000000002")
    assert registry.moves.replaced_choice("demo", "adult", "demo_adult_000000000002") is None


def uploaded(registry: ModelRegistry, number: int, *, seconds: float = 0, starts_after: float = 0) -> int:
    """Register a READY version of run ``number``, whose upload and start are offset by these seconds."""
    run = f"demo_adult_{number:012x}"
    times = {"uploaded_at": NOW + timedelta(seconds=seconds), "started_at": NOW + timedelta(seconds=starts_after)}
    version = registry.register(model_version(run, **times)).version
    registry.ready("demo", "adult", version)
    return version


def promote_newer(registry: ModelRegistry, version: int) -> bool:
    try:
        registry.aliases.move_to_newer(AliasRef("demo", "adult"), version, run=f"demo_adult_{version:012x}")
    except OlderUploadError:
        return False
    return True


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize("apart", ["seconds", "starts_after"])  # S3 tells uploads within a second apart by no time
def test_the_newest_upload_is_live_whatever_the_order_in_which_runs_end(
    registry: ModelRegistry, clock: FakeClock, order: tuple[int, ...], apart: str
) -> None:
    for number in (1, 2, 3):
        uploaded(registry, number, **{apart: number})
    newest = 0
    for version in order:
        clock.pass_seconds(1)
        assert promote_newer(registry, version) is (version > newest)
        newest = max(newest, version)
        assert registry.live("demo", "adult").version == newest
    assert registry.models("demo")[0].live_version == 3


def test_a_version_that_was_not_promoted_stays_ready_and_a_person_may_promote_it(
    registry: ModelRegistry, clock: FakeClock
) -> None:
    newer, older = uploaded(registry, 1, seconds=9), uploaded(registry, 2)
    registry.aliases.move_to_newer(AliasRef("demo", "adult"), newer, run="demo_adult_000000000001")
    with pytest.raises(OlderUploadError, match=f"version {older} .*version {newer}"):
        registry.aliases.move_to_newer(AliasRef("demo", "adult"), older, run="demo_adult_000000000002")
    assert registry.get("demo", "adult", older).status == "READY"
    clock.pass_seconds(1)
    registry.aliases.move(AliasRef("demo", "adult"), older, by="anna")
    assert registry.live("demo", "adult").version == older


def test_after_a_rollback_a_run_must_be_newer_than_the_version_rolled_back(
    registry: ModelRegistry, clock: FakeClock
) -> None:
    first, third = uploaded(registry, 1, seconds=1), uploaded(registry, 2, seconds=3)
    for version in (first, third):
        clock.pass_seconds(1)
        assert promote_newer(registry, version)
    clock.pass_seconds(1)
    registry.aliases.move(AliasRef("demo", "adult"), first, by="anna")
    late, fourth = uploaded(registry, 3, seconds=2), uploaded(registry, 4, seconds=4)
    clock.pass_seconds(1)
    assert not promote_newer(registry, late)
    assert registry.live("demo", "adult").version == first
    assert promote_newer(registry, fourth)


def test_concurrent_runs_leave_the_newest_upload_live(registry: ModelRegistry, clock: FakeClock) -> None:
    versions = [uploaded(registry, number, seconds=number * 7 % 10) for number in range(1, 10)]
    start = threading.Barrier(len(versions))

    def race(version: int) -> None:
        start.wait()
        clock.pass_seconds(1)
        promote_newer(registry, version)

    with ThreadPoolExecutor(len(versions)) as pool:
        list(pool.map(race, versions))
    newest = max(registry.versions.list("demo", "adult"), key=lambda version: version.lineage.upload_order)
    assert registry.live("demo", "adult").version == newest.version == 7
