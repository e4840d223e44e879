"""Files of versions that an older release deleted without deleting the files."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.paging.page import Page
from pipeline.contracts.records.run import Run, RunError
from pipeline.intake.run_log import RunLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.management.orphaned_files import OrphanedFiles
from tests.fakes.clock import FakeClock
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import artifact, model_version, selection
from tests.fakes.table import FakeTable


class World:
    """A registry with runs that have registered versions."""

    def __init__(self) -> None:
        self.clock, self.table, self.artifacts = FakeClock(), FakeTable(), FakeObjectStore("artifacts")
        self.runs = RunLog(self.table, now=self.clock)
        self.registry = ModelRegistry(self.table, self.artifacts, now=self.clock, sleep=lambda seconds: None)
        self.orphans = OrphanedFiles(registry=self.registry, runs=self.runs, artifacts=self.artifacts)

    def register(self, body: bytes, model: str = "adult") -> str:
        """Complete a run whose version has this content; return the key of the file."""
        self.clock.pass_seconds(1)
        run = f"demo_{model}_{int(self.clock().timestamp()):012x}"
        file = artifact(body=body)
        self.runs.create(run, tenant="demo", model=model, file="a.csv", started_at=self.clock())
        self.artifacts.put_if_absent(file.key, body)
        self.artifacts.put(RunKeys(run).selection, selection(body=body).to_bytes())
        draft = model_version(run, model).model_copy(update={"artifact": file})
        self.runs.succeed(run, self.registry.register(draft).version)
        return file.key

    def forget(self, version: int, model: str = "adult") -> None:
        """Remove a version's item, as DynamoDB did for the older release when the grace period was over."""
        self.table.delete(f"TENANT#demo#MODEL#{model}", f"VERSION#{version:06d}")

    def keys(self) -> set[str]:
        return set(self.artifacts.keys("tenants/demo/artifacts/"))


@pytest.fixture
def world() -> World:
    return World()


def test_only_the_file_of_a_deleted_version_is_found_and_deleted(world: World) -> None:
    gone, kept, other = world.register(b"1"), world.register(b"2"), world.register(b"3", "houses")
    world.registry.lifecycle.delete("demo", "adult", 2, by="anna")  # within its grace period
    unregistered = artifact(body=b"a variant that lost").key
    world.artifacts.put(unregistered, b"a variant that lost")
    world.forget(1)
    (orphan,) = world.orphans.find("demo")
    assert (orphan.key, orphan.bytes, orphan.model, orphan.version) == (gone, 1, "adult", 1)
    assert world.keys() == {gone, kept, other, unregistered}  # finding deletes nothing
    assert world.orphans.delete("demo", [orphan]) == [orphan]
    assert world.keys() == {kept, other, unregistered}
    assert world.orphans.find("demo") == []
    assert world.orphans.delete("demo", [orphan]) == []


def test_a_file_that_another_version_uses_is_not_an_orphan(world: World) -> None:
    file = world.register(b"1")
    assert world.register(b"1", "houses") == file
    world.forget(1)
    assert world.orphans.find("demo") == []
    world.forget(1, "houses")
    assert [orphan.key for orphan in world.orphans.find("demo")] == [file]


def test_a_file_that_a_run_registers_before_the_deletion_is_kept(world: World) -> None:
    file = world.register(b"1")
    world.forget(1)
    orphans = world.orphans.find("demo")
    world.register(b"1", "houses")
    assert world.orphans.delete("demo", orphans) == []
    assert world.artifacts.get(file) == b"1"


def test_the_file_of_a_version_registered_during_the_search_is_not_an_orphan(world: World) -> None:
    world.register(b"1")
    read_runs = world.runs.page

    def register_and_read(**query: Any) -> Page[Run]:
        world.register(b"2", "houses")
        return read_runs(**query)

    world.orphans = replace(world.orphans, runs=cast(RunLog, SimpleNamespace(page=register_and_read)))
    assert world.orphans.find("demo") == []


def test_runs_without_a_version_or_documents_have_no_orphans(world: World) -> None:
    world.register(b"1")
    world.forget(1)
    (run,) = world.runs.list(tenant="demo")
    world.artifacts.delete(RunKeys(run.run).selection)
    failed = "demo_adult_00000000000f"
    world.runs.create(failed, tenant="demo", model="adult", file="a.csv", started_at=world.clock())
    world.artifacts.put(RunKeys(failed).selection, selection(body=b"1").to_bytes())
    world.runs.fail(failed, RunError(type="InternalError", message="it broke"))
    assert world.orphans.find("demo") == []


def test_files_of_other_tenants_are_never_orphans(world: World) -> None:
    world.register(b"1")
    world.forget(1)
    assert world.orphans.find("acme") == []
    (run,) = world.runs.list(tenant="demo")
    foreign = artifact("acme", b"1")
    world.artifacts.put(foreign.key, b"1")
    crafted = selection(body=b"1")
    crafted = crafted.model_copy(update={"winner": crafted.winner.model_copy(update={"artifact": foreign})})
    world.artifacts.put(RunKeys(run.run).selection, crafted.to_bytes())
    assert world.orphans.find("demo") == []
