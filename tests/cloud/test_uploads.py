"""Uploads with only an API key, on the S3 of the embedded cloud."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from modeldrop import Client
from modeldrop import uploads as client_uploads
from pipeline.contracts.object_keys import RunKeys, run_name
from tests.helpers.cloud_driver import Cloud

FEW = b"a,b\n1,2\n"  # too few rows: the run ends at once


@pytest.fixture
def api(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("MODELDROP_HOME", str(tmp_path))
    with Client(cloud.api_url, cloud.key_of("demo", "publisher")) as client:
        yield client


def grant(cloud: Cloud, api: Client, **body: Any) -> httpx.Response:
    headers = {"x-api-key": api.connection.api_key}
    return httpx.post(f"{cloud.api_url}/registry/uploads", json=body, headers=headers, timeout=30)


def test_the_run_reads_the_dropped_file(cloud: Cloud, api: Client, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_bytes(FEW)
    ended = cloud.ended(api.drop(tmp_path / "few.csv", model="by-key", target="b"))
    assert ended.error is not None
    assert (ended.error.type, ended.file) == ("TooFewRowsError", "few.csv")


def test_a_file_uploaded_in_parts_is_the_same_object(
    cloud: Cloud, api: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_uploads, "MAX_FORM_BYTES", 0)
    (tmp_path / "test.csv").write_bytes(FEW)
    assert api.upload(tmp_path / "test.csv", model="in-parts") is None
    stored = cloud.s3.get_object(Bucket=cloud.uploads, Key="demo/in-parts/test.csv")
    assert stored["Body"].read() == FEW
    assert stored["Metadata"]["announced-sha256"] == hashlib.sha256(FEW).hexdigest()


def test_a_file_with_another_checksum_is_quarantined(cloud: Cloud, api: Client) -> None:
    form = grant(cloud, api, model="changed", file="few.csv", bytes=len(FEW), sha256="0" * 64).json()
    stored = httpx.post(form["url"], data=form["fields"], files={"file": ("few.csv", FEW)}, timeout=30)
    assert stored.status_code == 204  # AWS's S3 refuses it here
    run = run_name("demo", "changed", form["bucket"], form["key"], stored.headers["x-amz-version-id"])
    ended = cloud.ended(run)
    assert ended.error is not None
    assert ended.error.type == "UploadMismatchError"
    report = cloud.s3.get_object(Bucket=cloud.artifacts, Key=RunKeys(run).quarantine("report.json"))
    assert json.loads(report["Body"].read())["sha256"] == hashlib.sha256(FEW).hexdigest()


def test_a_form_refuses_another_key_size_or_metadata(cloud: Cloud, api: Client) -> None:
    form = grant(cloud, api, model="bound", file="few.csv", bytes=len(FEW)).json()
    for fields, body in (
        (form["fields"], FEW + b"3,4\n"),
        ({**form["fields"], "key": "acme/bound/few.csv"}, FEW),
        ({**form["fields"], "x-amz-meta-announced-bytes": "12"}, FEW),
    ):
        refused = httpx.post(form["url"], data=fields, files={"file": ("few.csv", body)}, timeout=30)
        assert refused.status_code in (400, 403)


def test_a_key_with_the_role_predictor_may_not_upload(cloud: Cloud) -> None:
    with Client(cloud.api_url, cloud.key_of("demo")) as api:
        assert grant(cloud, api, model="m", file="m.csv", bytes=5).status_code == 403
