"""Runs that are started by uploaded objects."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from pipeline.contracts.errors import TransientError
from pipeline.contracts.object_keys import MAX_PARTS, RunKeys, rejected_key, run_name
from pipeline.contracts.ports import ObjectInfo
from pipeline.contracts.records.run import RunError, Upload
from pipeline.intake.run_log import RunLog
from pipeline.intake.start import UploadReference, start_run
from pipeline.registry.tenants import TenantAdministration
from tests.fakes.clock import FakeClock
from tests.fakes.executions import FakeExecutions
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import NOW
from tests.fakes.table import FakeTable

KEY = "demo/adult/train.csv"


@dataclass
class World:
    uploads: FakeObjectStore = field(default_factory=lambda: FakeObjectStore("uploads"))
    artifacts: FakeObjectStore = field(default_factory=lambda: FakeObjectStore("artifacts"))
    table: FakeTable = field(default_factory=FakeTable)
    clock: FakeClock = field(default_factory=FakeClock)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    large_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        self.runs = RunLog(self.table)
        self.tenants = TenantAdministration(self.table, FakeGatewayKeys(), now=self.clock)

    def drop(self, key: str = KEY, **metadata: str) -> str:
        self.uploads.put(key, b"a,b\n1,2\n", metadata=metadata)
        return self.uploads.head(key).version_id

    def start(self, key: str = KEY, version_id: str | None = None) -> str | None:
        return start_run(
            UploadReference(bucket="uploads", key=key, version_id=version_id),
            uploads=self.uploads,
            artifacts=self.artifacts,
            runs=self.runs,
            tenants=self.tenants,
            executions=self.executions,
            now=NOW,
            large_bytes=self.large_bytes,
        )


@pytest.fixture
def world() -> World:
    return World()


def test_an_uploaded_file_starts_one_execution_with_the_name_of_the_run(world: World) -> None:
    version_id = world.drop(target="income")
    run = world.start(version_id=version_id)
    assert run == run_name("demo", "adult", "uploads", KEY, version_id)
    assert world.executions.started == {run: {"run": run, "large": False}}
    assert world.runs.get(run).file == "train.csv"
    upload = Upload.from_bytes(world.artifacts.get(RunKeys(run).upload))
    assert (upload.key, upload.version_id, upload.bytes, upload.metadata) == (KEY, version_id, 8, {"target": "income"})


def test_a_repeated_event_starts_no_second_run(world: World) -> None:
    version_id = world.drop()
    assert world.start(version_id=version_id) == world.start(version_id=version_id)
    assert len(world.executions.started) == len(world.runs.list()) == 1


def test_a_new_version_of_the_same_bytes_starts_a_new_run(world: World) -> None:
    first = world.start(version_id=world.drop())
    assert world.start(version_id=world.drop()) != first
    assert len(world.executions.started) == 2


def test_an_event_of_an_older_version_starts_a_run_of_that_version(world: World) -> None:
    old = world.drop(target="old")
    world.drop(target="new")
    run = world.start(version_id=old)
    assert run is not None
    assert Upload.from_bytes(world.artifacts.get(RunKeys(run).upload)).metadata == {"target": "old"}


def test_an_event_without_a_version_starts_a_run_of_the_latest_version(world: World) -> None:
    world.drop()
    latest = world.drop()
    assert world.start() == run_name("demo", "adult", "uploads", KEY, latest)


def test_a_repeated_event_starts_the_execution_that_failed_to_start(world: World) -> None:
    class Busy(FakeExecutions):
        def start(self, name: str, document: object) -> bool:
            raise TransientError("the state machine is busy")

    version_id = world.drop()
    working, world.executions = world.executions, Busy()
    with pytest.raises(TransientError):
        world.start(version_id=version_id)
    assert len(world.runs.list()) == 1
    world.executions = working
    run = world.start(version_id=version_id)
    assert list(working.started) == [run]
    assert len(world.runs.list()) == 1


def test_an_ended_run_is_not_started_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    version_id = world.drop()
    run = world.start(version_id=version_id)
    assert run is not None
    world.runs.fail(run, RunError(type="ExecutionEndedError", message="the run's execution never began"))
    world.executions.started.clear()
    with caplog.at_level(logging.WARNING):
        assert world.start(version_id=version_id) is None
    assert not world.executions.started
    assert "ended" in caplog.text


def test_a_repeated_event_does_not_change_the_input_of_the_run(world: World) -> None:
    key = "demo/adult/big/_SUCCESS"
    world.drop("demo/adult/big/part-0.csv")
    version_id = world.drop(key)
    run = world.start(key, version_id)
    assert run is not None
    first = world.artifacts.get(RunKeys(run).upload)
    world.drop("demo/adult/big/part-1.csv")
    world.large_bytes = 8
    world.executions = FakeExecutions()
    assert world.start(key, version_id) == run
    assert world.artifacts.get(RunKeys(run).upload) == first
    assert world.executions.started[run]["large"] is False


def test_the_upload_record_has_the_times_of_the_object_and_of_the_start(world: World) -> None:
    written_at = NOW - timedelta(seconds=90)
    world.uploads.now = lambda: written_at
    run = world.start(version_id=world.drop())
    assert run is not None
    upload = Upload.from_bytes(world.artifacts.get(RunKeys(run).upload))
    assert (upload.modified_at, upload.started_at) == (written_at, NOW)


@pytest.mark.parametrize(
    "key",
    ["demo/adult/train.yaml", "demo/adult/test.csv", "demo/adult/model.py", "demo/adult/parts/0.csv", "demo/adult/"],
)
def test_companions_part_files_and_folders_start_nothing(world: World, key: str) -> None:
    world.drop(key)
    assert world.start(key) is None
    assert not world.executions.started
    assert not world.runs.list()


def test_part_files_are_one_data_set_that_starts_with_the_success_file(world: World) -> None:
    for name in ("part-1.csv", "part-0.csv", "_committed", ".part-0.csv.crc", "train.yaml", "test.csv"):
        world.drop(f"demo/adult/big/{name}")
    world.drop("demo/adult/big/deep/part-9.csv")
    key = "demo/adult/big/_SUCCESS"
    run = world.start(key, world.drop(key))
    assert run is not None
    upload = Upload.from_bytes(world.artifacts.get(RunKeys(run).upload))
    assert [part.key for part in upload.parts] == ["demo/adult/big/part-0.csv", "demo/adult/big/part-1.csv"]
    assert upload.bytes == 3 * 8
    assert world.runs.get(run).file == "big/"


def test_many_parts_are_read_without_one_request_per_part(world: World) -> None:
    requested_keys: list[str] = []

    class Counted(FakeObjectStore):
        def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
            requested_keys.append(key)
            return super().head(key, version_id=version_id)

    world.uploads = Counted("uploads")
    for number in range(MAX_PARTS):
        world.drop(f"demo/adult/big/part-{number:04d}.csv")
    key = "demo/adult/big/_SUCCESS"
    version_id = world.drop(key)
    requested_keys.clear()
    run = world.start(key, version_id)
    assert requested_keys == [key]
    assert run is not None
    assert len(Upload.from_bytes(world.artifacts.get(RunKeys(run).upload)).parts) == MAX_PARTS


@pytest.mark.parametrize(("file", "large"), [("a.csv", False), ("a.parquet", True), ("a.csv.gz", True)])
def test_the_execution_input_says_whether_the_unpacked_data_is_large(world: World, file: str, large: bool) -> None:
    world.large_bytes = 8
    run = world.start(f"demo/adult/{file}", world.drop(f"demo/adult/{file}"))
    assert run is not None
    assert world.executions.started[run]["large"] is large


@pytest.mark.parametrize("key", ["train.csv", "demo/train.csv", "De mo/adult/train.csv", "runs/adult/train.csv"])
def test_a_key_without_a_valid_tenant_and_model_is_rejected_and_reported(
    world: World, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.drop(key)
    with caplog.at_level(logging.WARNING):
        assert world.start(key) is None
    assert not world.executions.started
    report = json.loads(world.artifacts.get(rejected_key("uploads", key)))
    assert report["key"] == key
    assert "expected" in report["error"]
    assert "no run is started" in caplog.text
    assert key not in caplog.text


def test_a_deleted_object_starts_no_run_and_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert world.start(version_id="v9") is None
    assert "no run is started" in caplog.text
    assert not world.runs.list()


@pytest.mark.parametrize(
    ("key", "tenant"),
    [("churn.csv", ""), ("churn/churn.csv", "churn"), ("demo/a b/x.csv", "demo"), ("De mo/adult/train.csv", "")],
)
def test_a_rejected_upload_is_listed_with_its_reason_for_operators_and_for_its_tenant(
    world: World, key: str, tenant: str
) -> None:
    world.drop(key)
    world.start(key)
    (upload,) = world.runs.rejected_page().entries
    assert (upload.bucket, upload.key, upload.tenant, upload.at) == ("uploads", key, tenant, NOW)
    assert "expected" in upload.reason
    assert [rejected.key for rejected in world.runs.rejected_page(tenant="demo").entries] == (
        [key] if tenant == "demo" else []
    )


def test_the_reason_of_a_rejected_key_names_the_expected_form(world: World) -> None:
    world.start("churn/churn.csv")
    assert "expected TENANT/MODEL/FILE" in world.runs.rejected_page().entries[0].reason


def test_a_rejected_upload_with_a_repeated_event_is_listed_once(world: World) -> None:
    for key in ("churn.csv", "churn.csv", "other.csv"):
        world.start(key)
    assert sorted(upload.key for upload in world.runs.rejected_page().entries) == ["churn.csv", "other.csv"]


def test_data_files_and_companion_files_are_not_rejected(world: World) -> None:
    for key in (KEY, "demo/adult/train.yaml", "demo/adult/parts/0.csv"):
        world.drop(key)
        world.start(key)
    assert world.runs.rejected_page().entries == []


def test_an_upload_of_a_suspended_tenant_is_rejected_with_a_reason_until_it_is_resumed(world: World) -> None:
    world.tenants.create("demo")
    world.tenants.suspend("demo")
    version_id = world.drop()
    assert world.start(version_id=version_id) is None
    (rejected,) = world.runs.rejected_page(tenant="demo").entries
    assert (rejected.key, "suspended" in rejected.reason) == (KEY, True)
    report = json.loads(world.artifacts.get(rejected_key("uploads", KEY)))
    assert (report["key"], report["error"]) == (KEY, rejected.reason)
    assert (world.executions.started, world.runs.list()) == ({}, [])
    world.tenants.resume("demo")
    assert world.start(version_id=version_id) is not None


def test_an_upload_of_a_deleted_tenant_starts_no_run_until_the_tenant_is_created_again(world: World) -> None:
    world.tenants.create("demo")
    world.tenants.begin_removal("demo")
    world.drop()
    assert world.start() is None  # while the tenant is being deleted
    world.tenants.remove("demo")
    world.clock.pass_seconds(15 * 60)
    assert world.start() is None
    assert (world.executions.started, world.runs.list()) == ({}, [])
    assert {upload.tenant for upload in world.runs.rejected_page().entries} == {""}
    assert all("deleted" in upload.reason for upload in world.runs.rejected_page().entries)
    world.tenants.create("demo")  # a later tenant of the same name
    assert world.runs.rejected_page(tenant="demo").entries == []
    assert world.start() is not None


def test_uploads_are_accepted_again_once_the_signed_urls_of_a_deleted_tenant_have_expired(world: World) -> None:
    """Otherwise a holder of AWS credentials could never again upload for a tenant of this name."""
    world.tenants.create("demo")
    world.tenants.remove("demo")
    world.drop()
    world.clock.pass_seconds(3599)
    assert world.start() is None
    world.clock.pass_seconds(2)
    assert world.start() is not None


def test_a_companion_file_of_a_suspended_tenant_is_not_rejected(world: World) -> None:
    world.tenants.create("demo")
    world.tenants.suspend("demo")
    world.drop("demo/adult/train.yaml")
    assert world.start("demo/adult/train.yaml") is None
    assert world.runs.rejected_page().entries == []
