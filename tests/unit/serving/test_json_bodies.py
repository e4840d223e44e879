"""JSON bodies that are valid, are nested too deeply, or have a key twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.json_bodies import parse_json


@pytest.mark.parametrize(
    "document",
    [
        {"rows": [{"a": 1, "b": "x"}]},
        {"rows": [{"at": "2024-01-31T10:30:00Z", "url": "https://a:b@c"}], "k": {"a:b": [{"c": {}}]}},
        {"inputs": [{"name": "a", "parameters": {"binary_data_size": 1}}], "outputs": [{"name": "b"}]},
        [],
        None,
    ],
)
def test_json_is_parsed(document: Any) -> None:
    assert parse_json(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows": [], "rows": []}',
        b'{"rows": [{"age": 1, "age": 2}]}',
        b'{"rows": [{"age": {"b64": "", "b64": ""}}]}',
        b'{"rows": [{"when": "10:30", "age": 1, "age": 2}]}',
        b'{"rows": [{"a\\u0067e": 1, "age": 2}]}',
    ],
)
def test_a_duplicate_key_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="twice"):
        parse_json(body)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'{"rows":[{"a":', b"}]}")])
@pytest.mark.parametrize("depth", [2_000, 10_000])
def test_deeply_nested_json_is_refused(opening: bytes, closing: bytes, depth: int) -> None:
    with pytest.raises(InvalidRequestError, match="nested too deeply"):
        parse_json(opening * depth + b"1" + closing * depth)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_duplicate_key_beside_deeply_nested_json_is_refused(opening: bytes, closing: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"twice|nested too deeply"):
        parse_json(b'{"a":1,"a":' + opening * 1_000 + b"1" + closing * 1_000 + b"}")
