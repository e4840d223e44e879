"""The bucket adapter on moto's S3, and the fake, which must behave the same."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cloud.clients import Clients
from pipeline.cloud.s3_object_store import S3ObjectStore
from pipeline.contracts.errors import ConfigurationError, ObjectNotFoundError
from pipeline.contracts.ports import ObjectStore
from tests.fakes.objects import FakeObjectStore
from tests.integration.conftest import ARTIFACTS, UPLOADS

PARTS = 20 << 20  # bytes: beyond s3transfer's threshold of one part


@pytest.fixture(params=["s3", "fake"])
def stores(request: pytest.FixtureRequest, clients: Clients, buckets: None) -> tuple[ObjectStore, ObjectStore]:
    if request.param == "fake":
        return FakeObjectStore(UPLOADS), FakeObjectStore(ARTIFACTS)
    return S3ObjectStore(clients.s3, UPLOADS), S3ObjectStore(clients.s3, ARTIFACTS)


@pytest.fixture
def store(stores: tuple[ObjectStore, ObjectStore]) -> ObjectStore:
    return stores[0]


def test_an_object_is_read_back_and_described(store: ObjectStore) -> None:
    store.put("a/b.csv", b"x,y\n", content_type="text/csv", metadata={"Target": "y"})
    info = store.head("a/b.csv")
    assert store.get("a/b.csv") == b"x,y\n"
    assert (info.key, info.bytes, info.metadata) == ("a/b.csv", 4, {"target": "y"})
    assert abs(datetime.now(UTC) - info.modified_at) < timedelta(minutes=1)
    assert info.etag == hashlib.md5(b"x,y\n").hexdigest()


def test_every_version_can_be_read_and_the_latest_is_the_default(store: ObjectStore) -> None:
    store.put("k", b"one")
    first = store.head("k").version_id
    store.put("k", b"two!")
    assert (store.get("k"), store.get("k", version_id=first)) == (b"two!", b"one")
    assert (store.head("k").bytes, store.head("k", version_id=first).bytes) == (4, 3)
    assert store.head("k").version_id != first


def test_a_version_of_a_deleted_object_can_be_read_and_copied_back(store: ObjectStore) -> None:
    store.put("k", b"one")
    version = store.head("k").version_id
    for _ in range(2):
        store.delete("k")
    with pytest.raises(ObjectNotFoundError):
        store.head("k")
    assert store.get("k", version_id=version) == b"one"
    store.copy_from(store, "k", "k", version_id=version)
    assert store.get("k") == b"one"


def test_put_if_absent_writes_only_the_first_object(store: ObjectStore) -> None:
    assert store.put_if_absent("k", b"first")
    assert not store.put_if_absent("k", b"second")
    assert store.get("k") == b"first"


def test_a_missing_object_is_not_found(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFoundError):
        store.get("missing")
    with pytest.raises(ObjectNotFoundError):
        store.head("missing")
    with pytest.raises(ObjectNotFoundError):
        store.download("missing", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_many_parts_is_uploaded_and_downloaded_unchanged(store: ObjectStore, tmp_path: Path) -> None:
    up, down = tmp_path / "up", tmp_path / "down"
    up.write_bytes(os.urandom(PARTS))
    reported: list[int] = []
    store.upload(up, "big", metadata={"rows": "9"}, progress=reported.append)
    assert sum(reported) == PARTS
    store.download("big", down)
    assert down.read_bytes() == up.read_bytes()
    assert (store.head("big").bytes, store.head("big").metadata) == (PARTS, {"rows": "9"})


def test_a_version_is_copied_from_another_bucket(stores: tuple[ObjectStore, ObjectStore]) -> None:
    uploads, artifacts = stores
    uploads.put("data.csv", b"old", metadata={"target": "y"})
    old = uploads.head("data.csv").version_id
    uploads.put("data.csv", b"new")
    artifacts.copy_from(uploads, "data.csv", "kept/data.csv", version_id=old)
    assert artifacts.get("kept/data.csv") == b"old"
    assert artifacts.head("kept/data.csv").metadata == {"target": "y"}


def test_keys_of_a_prefix_are_listed_over_all_pages(store: ObjectStore) -> None:
    for number in range(1005):
        store.put(f"parts/{number:04d}", b"")
    store.put("other", b"")
    assert list(store.keys("parts/")) == [f"parts/{number:04d}" for number in range(1005)]
    assert list(store.keys("none/")) == []


def test_latest_versions_are_described_without_older_or_deleted_ones(
    stores: tuple[ObjectStore, ObjectStore], clients: Clients
) -> None:
    store = stores[0]
    for number in range(1002):
        store.put(f"parts/{number:04d}", b"xy")
    store.put("parts/0000", b"newer")
    store.put("other", b"")
    store.put("parts/gone", b"")
    if isinstance(store, FakeObjectStore):
        store.delete("parts/gone")
    else:
        clients.s3.delete_object(Bucket=UPLOADS, Key="parts/gone")  # leaves the version, behind a delete marker
    described = list(store.latest_versions("parts/"))
    assert [info.key for info in described] == [f"parts/{number:04d}" for number in range(1002)]
    assert (described[0].bytes, described[1].bytes) == (5, 2)
    assert [replace(store.head(info.key), metadata={}) for info in described[:2]] == described[:2]


def test_a_missing_bucket_is_a_configuration_error_that_names_it(clients: Clients) -> None:
    store = S3ObjectStore(clients.s3, "modeldrop-nowhere")
    for call in (lambda: store.get("k"), lambda: store.put("k", b""), lambda: list(store.keys(""))):
        with pytest.raises(ConfigurationError, match="modeldrop-nowhere"):
            call()


def test_all_versions_below_a_prefix_are_deleted_and_others_stay(store: ObjectStore) -> None:
    for key in ("acme/a", "acme/a", "acme/b/c", "acme-2/a"):
        store.put(key, b"x")
    assert store.delete_all("acme/") == 3
    assert store.delete_all("acme/") == 0
    assert list(store.keys("acme")) == ["acme-2/a"]
