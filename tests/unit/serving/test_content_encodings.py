"""Compressed bodies of requests."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from pipeline.contracts.errors import (
    BodyTooLargeError,
    ForbiddenError,
    InvalidRequestError,
    UnsupportedMediaTypeError,
)
from pipeline.serving.api.errors import http_status
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.prediction_api import PredictionApi
from tests.fakes.models import OneModel
from tests.helpers.prediction_requests import call, post
from tests.helpers.served_models import CLASSIFIER, ROWS, loaded

PATH = "/v2/models/adult/infer"
BODY = json.dumps({"rows": ROWS}).encode()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("X-GZIP", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
        ("", BODY),
    ],
)
def test_a_compressed_body_gets_the_response_to_the_decompressed_body(encoding: str, body: bytes) -> None:
    response = call(PATH, body, headers={"content-encoding": encoding})
    assert json.loads(response.body) == post(PATH, {"rows": ROWS})


@pytest.mark.parametrize(
    ("encoding", "body", "error"),
    [
        ("br", BODY, UnsupportedMediaTypeError),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), UnsupportedMediaTypeError),
        ("gzip", BODY, InvalidRequestError),
        ("gzip", zlib.compress(BODY), InvalidRequestError),
        ("gzip", b"", InvalidRequestError),
        ("gzip", gzip.compress(BODY)[:-1], InvalidRequestError),
        ("gzip", gzip.compress(BODY) + b"more", InvalidRequestError),
    ],
)
def test_a_body_that_does_not_match_its_content_encoding_is_refused(
    encoding: str, body: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error, match="content-encoding"):
        call(PATH, body, headers={"content-encoding": encoding})


def test_a_body_that_is_too_large_after_decompression_is_refused() -> None:
    api = PredictionApi(OneModel(loaded(CLASSIFIER)), max_body_bytes=len(BODY) - 1)
    request = HttpRequest("POST", PATH, gzip.compress(BODY), {"content-encoding": "gzip"})
    with pytest.raises(BodyTooLargeError, match=f"more than {len(BODY) - 1} bytes") as caught:
        api.respond(request, Caller("demo"))
    assert http_status(caught.value) == 413


def test_a_body_is_not_decompressed_for_a_caller_that_may_not_predict() -> None:
    api = PredictionApi(OneModel(loaded(CLASSIFIER)))
    request = HttpRequest("POST", PATH, b"not compressed", {"content-encoding": "gzip"})
    with pytest.raises(ForbiddenError):
        api.respond(request, Caller("demo", permissions=frozenset({"read"})))
