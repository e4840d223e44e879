"""Presigned uploads against moto's S3."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.cloud.clients import Clients
from pipeline.cloud.s3_upload_grants import S3UploadGrants
from pipeline.contracts.errors import ObjectNotFoundError
from tests.integration.conftest import UPLOADS

KEY = "demo/adult/adult.csv"


@pytest.fixture
def grants(clients: Clients, buckets: None) -> S3UploadGrants:
    return S3UploadGrants(clients.s3_signer, UPLOADS)


def test_a_form_has_a_condition_on_each_field(grants: S3UploadGrants) -> None:
    digest = hashlib.sha256(b"12345")
    form = grants.form(KEY, content_bytes=5, sha256=digest.hexdigest(), metadata={"announced-bytes": "5"}, seconds=900)
    conditions = json.loads(base64.b64decode(form.fields["policy"]))["conditions"]
    assert ["content-length-range", 5, 5] in conditions
    exact = {name: value for entry in conditions if isinstance(entry, dict) for name, value in entry.items()}
    assert exact["bucket"] == UPLOADS
    assert exact["key"] == form.fields["key"] == KEY
    assert exact["x-amz-checksum-sha256"] == base64.b64encode(digest.digest()).decode()
    assert exact["x-amz-checksum-algorithm"] == "SHA256"
    assert exact["x-amz-meta-announced-bytes"] == "5"
    assert exact["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert set(form.fields) - {"policy", "x-amz-signature"} <= set(exact)  # no field without a condition


def test_the_url_of_a_form_names_the_region_of_the_bucket() -> None:
    clients = Clients(region="eu-west-1", credentials=("a", "b"))
    form = S3UploadGrants(clients.s3_signer, "uploads").form(
        KEY, content_bytes=5, sha256=None, metadata={}, seconds=900
    )
    assert form.url == "https://uploads.s3.eu-west-1.amazonaws.com/"


def test_the_url_of_a_part_signs_the_size(grants: S3UploadGrants) -> None:
    url = urlsplit(grants.part_url(KEY, "id", 3, content_bytes=7, seconds=900))
    query = parse_qs(url.query)
    assert (query["partNumber"], query["uploadId"], query["X-Amz-Expires"]) == (["3"], ["id"], ["900"])
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]


def test_completed_parts_become_an_object_with_metadata(grants: S3UploadGrants, clients: Clients) -> None:
    upload_id = grants.begin(KEY, metadata={"announced-bytes": "5"})
    assert list(grants.parts(KEY, upload_id)) == []
    clients.s3.upload_part(Bucket=UPLOADS, Key=KEY, UploadId=upload_id, PartNumber=1, Body=b"12345")
    parts = grants.parts(KEY, upload_id)
    assert [(part.number, part.bytes) for part in parts] == [(1, 5)]
    version_id = grants.complete(KEY, upload_id, parts)
    info = clients.s3.head_object(Bucket=UPLOADS, Key=KEY, VersionId=version_id)
    assert (info["ContentLength"], info["Metadata"]) == (5, {"announced-bytes": "5"})


def test_an_aborted_upload_is_not_found(grants: S3UploadGrants) -> None:
    upload_id = grants.begin(KEY, metadata={})
    grants.abort(KEY, upload_id)
    grants.abort(KEY, upload_id)
    with pytest.raises(ObjectNotFoundError):
        grants.parts(KEY, upload_id)
