"""An upload must match the size and the checksum that its client announced."""

from __future__ import annotations

import hashlib

import pytest

from pipeline.contracts.errors import UploadMismatchError
from pipeline.contracts.upload_metadata import Announced, announce, read_announced

ROWS = ("a,b,y\n" + "".join(f"{i},{i % 7},{'pq'[i % 2]}\n" for i in range(60))).encode()
SHA256 = hashlib.sha256(ROWS).hexdigest()


@pytest.mark.parametrize("announced", [Announced(), Announced(5), Announced(5, SHA256), Announced(None, SHA256)])
def test_announced_metadata_round_trips(announced: Announced) -> None:
    assert read_announced(announce(announced)) == announced


def test_a_file_that_matches_its_announcement_is_read(drop):
    assert drop("a.csv", ROWS, **announce(Announced(len(ROWS), SHA256))).dataset.target == "y"


@pytest.mark.parametrize("announced", [Announced(len(ROWS) - 1, SHA256), Announced(len(ROWS) + 1)])
def test_a_file_of_another_size_is_refused_and_the_error_names_both_sizes(drop, announced: Announced):
    with pytest.raises(UploadMismatchError) as refused:
        drop("a.csv", ROWS, **announce(announced))
    assert f"{len(ROWS):,}" in refused.value.message
    assert f"{announced.bytes:,}" in refused.value.message


def test_a_file_with_another_checksum_is_refused_before_it_is_read(drop):
    with pytest.raises(UploadMismatchError, match=r"'a\.csv'") as refused:
        drop("a.csv", b"PK\x03\x04", **announce(Announced(4, SHA256)))
    assert refused.value.details["sha256"] == hashlib.sha256(b"PK\x03\x04").hexdigest()


@pytest.mark.parametrize(("name", "content"), [("train.yaml", b"target: y"), ("test.csv", ROWS)])
@pytest.mark.parametrize("announced", [Announced(5), Announced(None, "0" * 64)])
def test_companion_files_must_match_their_announcements_too(
    stores, validated, name: str, content: bytes, announced: Announced
):
    uploads, _ = stores
    uploads.put(f"demo/model/{name}", content, metadata=announce(announced))
    uploads.put("demo/model/a.csv", ROWS)
    with pytest.raises(UploadMismatchError, match=name):
        validated("demo/model/a.csv")
