"""A refused file is copied to the quarantine with a report."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import pytest

from pipeline.contracts.errors import DatasetError, UnreadableDatasetError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.run import Upload
from pipeline.validation.quarantine import quarantine
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import NOW

RUN = "demo_model_0123456789ab"


def _report(file: str, error: DatasetError):
    uploads, artifacts = FakeObjectStore("uploads"), FakeObjectStore("artifacts")
    key = f"demo/model/{file}"
    uploads.put(key, b"first")
    version = uploads.head(key).version_id
    uploads.put(key, b"second, while the first was validated")
    times = {"modified_at": NOW, "started_at": NOW}
    upload = Upload(bucket="uploads", key=key, version_id=version, bytes=5, etag="e", **times)
    quarantine(RUN, upload, error, uploads=uploads, artifacts=artifacts)
    report = json.loads(artifacts.get(RunKeys(RUN).quarantine("report.json")))
    return report, artifacts.get(report["file"])


def test_the_refused_version_is_quarantined_with_the_error():
    report, content = _report("a.csv", UnreadableDatasetError("'a.csv' is empty", line=3, sha256="f" * 64))
    assert content == b"first"
    assert report["error"] == {"type": "UnreadableDatasetError", "message": "'a.csv' is empty", "details": {"line": 3}}
    assert (report["run"], report["sha256"], report["upload"]["key"]) == (RUN, "f" * 64, "demo/model/a.csv")
    assert datetime.fromisoformat(report["upload"]["modified_at"]) == NOW
    assert report["file"] == RunKeys(RUN).quarantine("a.csv")
    assert report["at"].endswith("+00:00")


def test_an_upload_named_report_json_does_not_overwrite_the_report():
    report, content = _report("report.json", UnreadableDatasetError("'report.json' has no known ending"))
    assert (report["sha256"], content) == (None, b"first")


def test_the_error_of_a_refused_file_has_the_sha256_of_the_file(drop):
    with pytest.raises(UnreadableDatasetError) as refused:
        drop("a.csv", b"PK\x03\x04")
    assert refused.value.details["sha256"] == hashlib.sha256(b"PK\x03\x04").hexdigest()
