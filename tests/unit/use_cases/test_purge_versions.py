"""Files of deleted versions: when they are purged, and when they are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.contracts.errors import NotFoundError, ObjectNotFoundError, TransientError
from pipeline.contracts.object_keys import artifact_key
from pipeline.contracts.records.variant import Artifact
from pipeline.registry.lifecycle import GRACE_PERIOD
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.scheduled import purge_versions
from pipeline.use_cases.scheduled.purge_versions import PurgeVersions
from tests.fakes.clock import FakeClock
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import model_version
from tests.fakes.table import FakeTable

AFTER = GRACE_PERIOD.total_seconds() + 1


class House:
    """A registry and the use case that purges it."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), FakeObjectStore("artifacts")
        self.table = FakeTable()
        self.registry = ModelRegistry(self.table, self.store, now=self.clock, sleep=lambda seconds: None)
        self.purge = PurgeVersions(registry=self.registry, artifacts=self.store)

    def register(self, content: str, model: str = "adult", tenant: str = "demo") -> str:
        """Register a version whose file has a content; return the file's key."""
        self.clock.pass_seconds(1)
        body = content.encode()
        file = Artifact(key=artifact_key(tenant, f"{content:0>64}"), sha256=f"{content:0>64}", bytes=len(body))
        self.store.put_if_absent(file.key, body)
        run = f"{tenant}_{model}_{int(self.clock().timestamp()):012x}"
        draft = model_version(run, model).model_copy(update={"tenant": tenant, "artifact": file})
        self.registry.ready(tenant, model, self.registry.register(draft).version)
        return file.key

    def delete(self, version: int, model: str = "adult", tenant: str = "demo") -> None:
        self.registry.lifecycle.delete(tenant, model, version, by="anna")

    def has(self, key: str) -> bool:
        try:
            self.store.head(key)
        except ObjectNotFoundError:
            return False
        return True


@pytest.fixture
def house() -> House:
    return House()


def test_a_file_is_purged_only_after_the_grace_period(house: House) -> None:
    gone, kept = house.register("1"), house.register("2")
    house.delete(1)
    house.clock.pass_seconds(AFTER - 2)
    assert (list(house.purge().versions), house.has(gone)) == ([], True)
    house.registry.lifecycle.restore("demo", "adult", 1)
    house.delete(1)
    house.clock.pass_seconds(AFTER)
    assert (list(house.purge().versions), house.has(gone), house.has(kept)) == (["demo/adult@1"], False, True)
    assert [version.version for version in house.registry.versions.list("demo", "adult")] == [2]
    assert house.purge().versions == []
    with pytest.raises(NotFoundError):
        house.registry.lifecycle.restore("demo", "adult", 1)


def test_a_version_deleted_again_is_not_purged_while_the_index_is_stale(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.register("1")
    house.delete(1)
    late = house.table.listing("DELETED")
    house.clock.pass_seconds(AFTER - 2)
    house.registry.lifecycle.restore("demo", "adult", 1)
    house.delete(1)
    house.clock.pass_seconds(3)
    monkeypatch.setattr(house.table, "listing", lambda *name, **options: late)
    assert house.purge().versions == []
    assert house.registry.lifecycle.restore("demo", "adult", 1).status == "READY"


@pytest.mark.parametrize("model", ["adult", "houses"])
@pytest.mark.parametrize("state", ["ready", "archived", "deleted later"])
def test_a_file_that_another_version_uses_is_kept(house: House, model: str, state: str) -> None:
    file = house.register("1")
    assert house.register("1", model) == file
    other = 2 if model == "adult" else 1
    house.delete(1)
    house.clock.pass_seconds(AFTER - 60)
    if state == "archived":
        house.registry.lifecycle.archive("demo", model, other, by="anna")
    if state == "deleted later":
        house.delete(other, model)
    house.clock.pass_seconds(61)
    assert list(house.purge().versions) == ["demo/adult@1"]
    assert house.has(file)
    assert house.registry.lifecycle.restore("demo", model, other).artifact.key == file


def test_a_file_of_two_deleted_versions_is_purged_with_the_later_one(house: House) -> None:
    file = house.register("1")
    house.register("1")
    house.delete(1)
    house.clock.pass_seconds(3600)
    house.delete(2)
    house.clock.pass_seconds(AFTER - 3600)
    assert (list(house.purge().versions), house.has(file)) == (["demo/adult@1"], True)
    house.clock.pass_seconds(3600)
    assert (list(house.purge().versions), house.has(file)) == (["demo/adult@2"], False)


@pytest.mark.parametrize("fault", ["a damaged record", "a busy bucket"])
def test_an_error_of_one_tenant_does_not_block_other_tenants(house: House, fault: str) -> None:
    tenants = ("acme", "demo", "zeta")
    files = {tenant: house.register("1", tenant=tenant) for tenant in tenants}
    for tenant in tenants:
        house.delete(1, tenant=tenant)
    house.clock.pass_seconds(AFTER)
    key = ("TENANT#demo#MODEL#adult", "VERSION#000001")
    stored = house.table.get(*key)
    assert stored is not None
    delete = house.store.delete

    def refuse(file: str) -> None:
        if "/demo/" in file:
            raise TransientError("the bucket is busy")
        delete(file)

    if fault == "a damaged record":
        house.table.update(*key, {"record": "{"})
    else:
        house.store.delete = refuse  # type: ignore[method-assign]
    versions, failures = house.purge()
    assert list(versions) == ["acme/adult@1", "zeta/adult@1"]
    assert list(failures) == ["demo"]
    assert [house.has(files[tenant]) for tenant in tenants] == [False, True, False]
    house.table.update(*key, {"record": stored["record"]})
    house.store.delete = delete  # type: ignore[method-assign]
    assert house.purge() == (["demo/adult@1"], {})
    assert not house.has(files["demo"])


@pytest.mark.parametrize("date", ["soon", "", 7])
def test_a_version_with_a_damaged_date_is_skipped_and_logged(
    house: House, caplog: pytest.LogCaptureFixture, date: object
) -> None:
    files = [house.register(str(number)) for number in (1, 2)]
    for number in (1, 2):
        house.delete(number)
    house.table.update("TENANT#demo#MODEL#adult", "VERSION#000001", {"restorable_until": date})
    house.clock.pass_seconds(AFTER)
    assert house.purge() == (["demo/adult@2"], {})
    assert [house.has(file) for file in files] == [True, False]
    assert "VERSION#000001 is damaged" in caplog.text
    assert house.registry.lifecycle.restore("demo", "adult", 1).status == "READY"


def test_a_failing_batch_of_one_tenant_does_not_block_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge_versions, "_BATCH", 2)
    file = house.register("1", tenant="acme")
    house.delete(1, tenant="acme")
    for version in (1, 2, 3):
        house.register(f"{version}", tenant="demo")
        house.delete(version, tenant="demo")
    house.clock.pass_seconds(AFTER)
    house.table.update("TENANT#demo#MODEL#adult", "VERSION#000003", {"record": "{"})
    versions, failures = house.purge()
    assert (list(versions), list(failures), house.has(file)) == (["acme/adult@1"], ["demo"], False)


class KilledError(Exception):
    """The process ends."""


@pytest.mark.parametrize("writes", range(1, 7))
def test_the_next_call_completes_an_interrupted_purge(
    house: House, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    files = [house.register("1"), house.register("2")]
    for version in (1, 2):
        house.delete(version)
    kept = house.register("3")
    house.clock.pass_seconds(AFTER)
    left = [writes]

    def interrupting(target: object, name: str) -> None:
        original = getattr(target, name)

        def call(*arguments: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
            return original(*arguments, **options)

        monkeypatch.setattr(target, name, call)

    for target, name in ((house.store, "delete"), (house.table, "update"), (house.table, "delete")):
        interrupting(target, name)
    try:
        house.purge()
    except KilledError:
        left[0] = 99
        house.register("2")  # a run that found the file, or has uploaded it again
        house.purge()
        assert [house.has(file) for file in files] == [False, True]
    assert house.has(kept)
    assert list(house.registry.lifecycle.overdue(limit=9)) == [[]]


def test_a_file_registered_during_the_purge_is_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    file = house.register("1")
    house.delete(1)
    house.clock.pass_seconds(AFTER)
    delete = house.store.delete

    def overtaken(key: str) -> None:
        house.register("1")  # it finds the file, which goes right after
        delete(key)

    monkeypatch.setattr(house.store, "delete", overtaken)
    house.purge()
    assert house.store.get(file) == b"1"
    assert [version.version for version in house.registry.versions.list("demo", "adult")] == [2]


def test_a_version_deleted_by_an_older_release_can_still_be_restored(house: House) -> None:
    house.register("1")
    until = house.clock() + timedelta(days=7)
    key = ("TENANT#demo#MODEL#adult", "VERSION#000001")
    house.table.update(*key, {"deleted_at": "x", "deleted_by": "anna", "expires_at": int(until.timestamp())})
    with pytest.raises(NotFoundError, match="is deleted"):
        house.registry.versions.record("demo", "adult", 1)
    assert house.registry.lifecycle.restore("demo", "adult", 1).status == "READY"
