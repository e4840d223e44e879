"""Records on disk, without a server."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.store.bodies import Bodies
from pipeline.local.store.database import Database, StorageError
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import StoredDict

Open = Callable[..., tuple[Journal, StoredDict]]


@pytest.fixture
def reopened(tmp_path: Path) -> Open:
    """Open the same database, as a server that starts again does."""

    def opened(**options: Any) -> tuple[Journal, StoredDict]:
        journal = Journal(Database(tmp_path / "records.db"))
        return journal, StoredDict(journal, "records", **options)

    return opened


def test_only_committed_values_are_stored(reopened: Open) -> None:
    journal, records = reopened()
    records["a", "b"] = {"bytes": b"\xff", "text": "t"}
    journal.commit()
    records["c"] = 1
    _, again = reopened()
    assert dict(again.items()) == {("a", "b"): {"bytes": b"\xff", "text": "t"}}
    assert list(again) == [("a", "b")]


def test_a_value_changed_in_place_is_written(reopened: Open) -> None:
    journal, records = reopened()
    records["a"] = {"versions": []}
    journal.commit()
    records["a"]["versions"].append(1)
    journal.commit()
    assert reopened()[1]["a"] == {"versions": [1]}


def test_only_some_values_stay_in_memory_and_none_is_lost(reopened: Open) -> None:
    journal, records = reopened()
    for number in range(500):
        records[number] = {"number": number}
    journal.commit()
    assert len(records._live) <= 64
    records[0]["changed"] = True
    for number in range(1, 500):
        records[number]["number"] += 1
    journal.commit()
    again = reopened()[1]
    assert again[0] == {"number": 0, "changed": True}
    assert [again[number]["number"] for number in range(1, 500)] == list(range(2, 501))


def test_large_values_leave_memory_sooner_and_late_changes_are_written(reopened: Open) -> None:
    journal, records = reopened()
    records.update({number: {"text": "x" * 100_000} for number in range(30)})
    journal.commit()
    assert len(records._live) < 15
    late = records[29]
    records[5]["text"] = "y"
    journal.commit()
    late["text"] = "z"  # by a thread, after the commit
    records.update({number: {"text": "x" * 100_000} for number in range(30, 60)})
    journal.commit()
    journal.commit()
    again = reopened()[1]
    assert (again[29]["text"], again[5]["text"], again[40]["text"]) == ("z", "y", "x" * 100_000)


def test_values_kept_in_memory_are_written_without_a_lookup(reopened: Open) -> None:
    journal, records = reopened(is_pinned=lambda value: True)
    values = [{"n": number} for number in range(200)]
    records.update(enumerate(values))
    journal.commit()
    values[0]["n"] = 7
    journal.commit()
    assert reopened()[1][0] == {"n": 7}


def test_a_deleted_value_stays_deleted_and_the_limit_removes_the_oldest(reopened: Open) -> None:
    journal, records = reopened(limit=3)
    records.update({"a": 1, "b": 2, "c": 3})
    journal.commit()
    records["d"] = 4
    del records["c"]
    assert "c" not in records
    journal.commit()
    assert dict(reopened()[1].items()) == {"b": 2, "d": 4}


def test_revert_restores_the_committed_value(reopened: Open) -> None:
    journal, records = reopened()
    records["a"] = {"n": 1}
    journal.commit()
    records["a"]["n"], records["b"] = 2, {"n": 3}
    records.revert("a")
    records.revert("b")
    assert dict(records.items()) == {"a": {"n": 1}}


def test_a_copy_is_empty(reopened: Open) -> None:
    _, records = reopened()
    records["a"] = 1
    assert deepcopy(records) == {}


def test_the_next_commit_repeats_a_failed_one(reopened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, records = reopened()
    deleted: list[str] = []
    records["a"] = 1
    journal.afterwards(lambda: deleted.append("file"))
    full = StorageError("full")

    def fail(changes: object) -> None:
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(journal.database, "write", fail)
        with pytest.raises(StorageError):
            journal.commit()
    assert not deleted
    journal.commit()
    assert deleted == ["file"]
    assert reopened()[1]["a"] == 1


@pytest.mark.parametrize(("store", "mode"), [("dynamodb-items", 2), ("s3-objects", 2), ("log-streams/a/b", 1)])
def test_a_change_is_synced_to_disk_and_a_log_line_is_not(tmp_path: Path, store: str, mode: int) -> None:
    database = Database(tmp_path / "records.db")
    for earlier in ("log-streams/a/b", "dynamodb-items"):
        database.write([(earlier, b"key", b"value")])
    database.write([("log-streams/a/b", b"key", b"value"), (store, b"key", b"value")])
    assert database._connection.execute("PRAGMA synchronous").fetchone() == (mode,), "1 is NORMAL, 2 is FULL"
    assert database.get(store, b"key") == b"value"


def test_writing_a_file_syncs_the_file_and_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, bytes]] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.name, path.read_bytes() if path.is_file() else b""))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    Bodies(tmp_path).write("abcd", b"content")
    (_, _), (unfinished, content), (folder, _) = synced
    assert unfinished.endswith(".unfinished")
    assert content == b"content"
    assert (synced[0][0], folder) == (tmp_path.name, "ab")


def test_a_damaged_and_a_newer_file_are_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database " * 1000)
    with pytest.raises(ConfigurationError, match=r"damaged\.db cannot be read"):
        Database(damaged)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="newer version"):
        Database(newer)


def test_contents_are_replaced_and_old_unused_ones_are_swept(tmp_path: Path) -> None:
    bodies = Bodies(tmp_path)
    bodies.write("abc", b"1")
    bodies.write("abc", b"2")
    bodies.write("xyz", b"3")
    assert bodies.read("abc") == b"2"
    bodies.sweep({"abc"}, before=0)
    assert bodies.read("xyz") == b"3"
    bodies.sweep({"abc"}, before=float("inf"))
    assert [file.name for file in tmp_path.glob("*/*")] == ["abc"]
