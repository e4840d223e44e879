"""A folder of an earlier version of modeldrop, whose records were files of MiniStack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localstack_client.session import Session

from pipeline.local.home import Home
from pipeline.local.launch import start, terminate, wait_for

pytestmark = pytest.mark.cloud


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[Home]:
    """Two objects, the second with two versions."""
    home = Home(tmp_path)
    home.make()
    bucket, old = home.objects / "000000000000" / "files", home.objects / ".versions" / "000000000000" / "files" / "v1"
    for folder in (bucket / "a", old):
        folder.mkdir(parents=True)
    (bucket / "a" / "plain.txt").write_bytes(b"plain")
    (bucket / "both.txt").write_bytes(b"second")
    (old / "both.txt").write_bytes(b"first")
    versions = [
        {"version_id": name, "etag": f'"{name}"', "size": 5, "last_modified": "2026-11-29T00:00:00.000Z"}
        for name in ("v1", "v2")
    ]
    meta = {**versions[1], "size": 6, "versions": [{**one, "is_latest": one is versions[1]} for one in versions]}
    (bucket / "both.txt.meta.json").write_text(json.dumps(meta))
    yield home
    server = home.server()
    if server is not None:
        terminate(home, server)


def content(s3: Any, key: str, **version: str) -> bytes:
    body: bytes = s3.get_object(Bucket="files", Key=key, **version)["Body"].read()
    return body


def test_objects_and_their_versions_are_migrated(earlier: Home) -> None:
    for _ in range(2):  # by the first start, and kept by the second
        server = wait_for(earlier, start(earlier))
        s3 = Session(localstack_host=server.endpoint_url.removeprefix("http://")).client("s3")
        assert [one["Key"] for one in s3.list_objects_v2(Bucket="files")["Contents"]] == ["a/plain.txt", "both.txt"]
        assert content(s3, "a/plain.txt") == b"plain"
        assert content(s3, "both.txt") == b"second"
        assert content(s3, "both.txt", VersionId="v1") == b"first"
        assert not earlier.objects.exists()
        terminate(earlier, server)


def test_files_without_records_are_moved_aside(earlier: Home) -> None:
    lost = earlier.objects / ".versions" / "000000000000" / "files" / "v7" / "both.txt"
    lost.parent.mkdir()
    lost.write_bytes(b"of no record")
    terminate(earlier, wait_for(earlier, start(earlier)))
    assert (earlier.path / "s3.unread" / lost.relative_to(earlier.objects)).read_bytes() == b"of no record"
