"""Uploads by API key, through the real use case behind the API and to a fake bucket."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import httpx
import polars as pl
import pytest
import yaml

from modeldrop import ApiError, AsyncClient, ClientError
from modeldrop.unfinished import UnfinishedUploads
from modeldrop.uploads import MAX_FORM_BYTES
from pipeline.contracts.object_keys import run_name
from pipeline.contracts.upload_metadata import read_announced, read_target
from pipeline.serving.api.messages import Caller
from tests.helpers.upload_api import KEY, URL, UploadApi


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELDROP_HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A sparse file of three parts."""
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate(MAX_FORM_BYTES + 5)
    return path


def test_drop_uploads_a_frame_with_settings_and_target() -> None:
    world = UploadApi()
    with world.client() as api:
        run = api.drop(pl.DataFrame({"a": [1]}), model="shop.1", target="größe", spec="target: b")
    key = "demo/shop.1/data.parquet"
    assert list(world.objects) == ["demo/shop.1/train.yaml", key]
    metadata = world.grants.metadata[key]
    assert read_target(metadata) == "größe"
    body = world.objects[key]
    assert read_announced(metadata) == (len(body), hashlib.sha256(body).hexdigest())
    assert run == run_name("demo", "shop.1", "uploads", key, "v1")


def test_a_companion_starts_no_run(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("a\n1\n")
    assert UploadApi().client().upload(tmp_path / "test.csv", model="m") is None


def test_settings_may_be_a_path_a_file_name_or_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\n1\n")
    (tmp_path / "my.yaml").write_text("target: a")
    monkeypatch.chdir(tmp_path)
    for spec in (tmp_path / "my.yaml", "my.yaml", "target: a"):
        world = UploadApi()
        world.client().drop("a.csv", model="m", spec=spec)
        assert world.objects["demo/m/train.yaml"] == b"target: a"


def test_settings_may_be_a_mapping_and_other_types_are_refused() -> None:
    world, frame = UploadApi(), pl.DataFrame({"a": [1]})
    settings = {"target": "größe", "algorithms": ["linear"], "limits": {"max_bytes": 10_000}}
    world.client().drop(frame, model="m", spec=settings)
    assert yaml.safe_load(world.objects["demo/m/train.yaml"]) == settings
    for wrong, words in ((["linear"], "not list"), ({"a": {1}}, "set"), ({"a": float("nan")}, "JSON")):
        world = UploadApi()
        with pytest.raises(ClientError, match=f"spec: .* expected.*{words}"):
            world.client().drop(frame, model="m", spec=wrong)  # type: ignore[arg-type]  # that is what is refused
        assert world.objects == {}


def test_an_asynchronous_client_uploads_files(big: Path) -> None:
    world, counts = UploadApi(), list[int]()

    async def upload() -> tuple[str, str | None]:
        async with AsyncClient(URL, KEY, transport=httpx.MockTransport(world.answer)) as api:
            first = await api.drop(big, model="m", progress=counts.append)
            (big.parent / "a.csv").write_bytes(b"a\n1\n")
            return first, await api.upload(str(big.parent / "a.csv"), model="m", progress=counts.append)

    keys = ("demo/m/big.csv", "demo/m/a.csv")
    assert asyncio.run(upload()) == tuple(run_name("demo", "m", "uploads", key, "v1") for key in keys)
    assert (world.stored, sum(counts)) == ([1, 2, 3], big.stat().st_size + 4)
    assert world.objects["demo/m/a.csv"] == b"a\n1\n"


def test_a_large_file_is_uploaded_in_parts_with_progress(big: Path) -> None:
    world, counts = UploadApi(), list[int]()
    run = world.client().upload(big, model="m", progress=counts.append)
    assert (world.stored, sum(counts)) == ([1, 2, 3], big.stat().st_size)
    assert world.grants.completed == {"demo/m/big.csv": big.stat().st_size}
    assert run == run_name("demo", "m", "uploads", "demo/m/big.csv", "v1")
    assert dict(UnfinishedUploads()) == {}


def test_an_interrupted_upload_resumes_with_the_missing_parts(big: Path) -> None:
    world, counts = UploadApi(), list[int]()
    world.fail = [200, 400]
    with pytest.raises(ApiError, match="400"):
        world.client().upload(big, model="m")
    assert (world.stored, len(UnfinishedUploads())) == ([1], 1)
    world.client().upload(big, model="m", progress=counts.append)
    assert (world.stored, sum(counts)) == ([1, 2, 3], big.stat().st_size)


def test_expired_urls_are_requested_again(big: Path) -> None:
    world = UploadApi()
    world.fail = [200, 403]
    world.client().upload(big, model="m")
    assert world.stored == [1, 2, 3]


def test_an_upload_that_the_server_no_longer_has_starts_again(big: Path) -> None:
    world = UploadApi()
    world.fail = [200, 400]
    with pytest.raises(ApiError):
        world.client().upload(big, model="m")
    other = UploadApi()
    other.client().upload(big, model="m")
    assert other.stored == [1, 2, 3]


def test_refusals_raise_client_errors(tmp_path: Path) -> None:
    world = UploadApi(Caller("demo"))
    with world.client() as api, pytest.raises(ApiError, match="publish") as raised:
        api.drop(pl.DataFrame({"a": [1]}), model="m")
    assert raised.value.status == 403
    world = UploadApi()
    world.fail = [403]
    with world.client() as api:
        with pytest.raises(ApiError, match="403"):
            api.drop(pl.DataFrame({"a": [1]}), model="m")
        with pytest.raises(ClientError, match="int"):
            api.drop(7, model="m")


@pytest.mark.parametrize("text", ["[", "[]", json.dumps({"a": 1})])
def test_a_damaged_list_of_unfinished_uploads_can_still_be_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "unfinished_uploads.json").write_text(text)
    uploads = UnfinishedUploads()
    uploads["b"] = "2"
    assert uploads["b"] == "2"
