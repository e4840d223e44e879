"""JSON bodies of a request: long integers, hostile cells, large texts."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.prediction_api import PredictionApi
from tests.fakes.models import OneModel
from tests.helpers.served_models import loaded

# The body's JSON


def predict(body: str | bytes, *columns: Column) -> Any:
    model = loaded(Signature(task="regression", target="price", columns=columns))
    body = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    return PredictionApi(OneModel(model)).respond(HttpRequest("POST", "/v2/models/adult/infer", body), Caller("demo"))


def test_a_body_keeps_64_bit_integers() -> None:
    column = Column(name="gtin", kind="categorical", is_code=True)
    assert predict('{"rows": [{"gtin": 18446744073709551615}]}', column).facts["rows"] == 1
    with pytest.raises(InvalidRequestError, match=r"column 'gtin': text is expected for a number beyond 2\^53"):
        predict('{"rows": [{"gtin": 18446744073709551616}]}', column)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("NaN", "null is expected for a missing number"),
        ("-Infinity", "null is expected for a missing number"),
        ("1e999", "the body is not JSON (line 1, column "),
        ("9" * 5000, "the body is not JSON (line 1, column "),
        ('"\\ud83d"', "the body is not JSON (line 1, column "),
        ('"\ud83d"', "the body is not JSON (line 1, column "),
        ("[" * 100_000, "the body is not JSON (line 1, column "),
        ("[" * 500 + "]" * 500, "a number or null is expected, this is an array"),
        ('{"age": 1}', "a number or null is expected, this is an object"),
        (f'"{"1" * 10_000_000}"', "this is other text"),
        ("99999999999999999999999999999999999999999", "a number within ±3.4e38"),
    ],
)
def test_a_hostile_cell_is_refused_with_a_short_message(cell: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        predict(f'{{"rows": [{{"age": {cell}}}]}}', Column(name="age", kind="numeric"))
    assert words in raised.value.message
    assert len(raised.value.message) < 300


def test_a_body_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="the body is not JSON"):
        predict(b'{"rows": [{"age": "\xff"}]}', Column(name="age", kind="numeric"))


def test_a_text_of_ten_megabytes_is_predicted() -> None:
    body = f'{{"rows": [{{"job": "{"é" * 5_000_000}"}}]}}'
    assert predict(body, Column(name="job", kind="categorical")).facts["rows"] == 1
