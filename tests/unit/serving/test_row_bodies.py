"""A JSON body that resembles a known one gets the same response or error as it gets from a new model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.formats.row_bodies import RowBody
from pipeline.serving.loaded_model import LoadedModel
from tests.fakes.models import OneModel
from tests.helpers.served_models import CLASSIFIER, loaded

PATH = "/v2/models/adult/infer"
DATATYPES = {"age": "FP32", "job": "BYTES", "hours per week": "FP64", "member": "BOOL"}


def body_of(
    *cells: Any, shape: tuple[int, ...] = (1,), separators: tuple[str, str] = (", ", ": "), **options: Any
) -> str:
    tensors = [
        {"name": name, "shape": shape, "datatype": datatype, "data": [cell] if len(shape) == 1 else [[cell]]}
        for (name, datatype), cell in zip(DATATYPES.items(), cells, strict=True)
    ]
    return json.dumps({"inputs": tensors, **options}, separators=separators, ensure_ascii=False)


def respond(model: LoadedModel, body: str | bytes) -> bytes | str:
    """The response, or the message of the error."""
    content = body.encode() if isinstance(body, str) else body
    try:
        return PredictionApi(OneModel(model)).respond(HttpRequest("POST", PATH, content), Caller("demo")).body
    except InvalidRequestError as error:
        return error.message


KNOWN = body_of(30.0, "cook", 40.5, True)
AGE, JOB, HOURS = "[30.0]", '["cook"]', "[40.5]"


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
@pytest.mark.parametrize("options", [{}, {"outputs": [{"name": "label"}]}, {"parameters": {"x": "[1]"}}])
def test_later_bodies_with_the_same_names_reuse_the_known_body(
    separators: tuple[str, str], options: dict[str, Any]
) -> None:
    model = loaded(CLASSIFIER)
    rows = [(30.0, "cook", 40.5, True), (None, 'zoölo"gist, {\n', -2, False), (1e30, "", None, None), (7, "[", 1, True)]
    for cells in rows:
        body = body_of(*cells, separators=separators, **options)
        assert respond(model, body) == respond(loaded(CLASSIFIER), body)
    assert len(model.known_bodies) == 1
    ((_, read),) = model.known_bodies
    feeds = read(body_of(1.5, "clerk", 2, False, separators=separators, **options).encode())
    assert feeds is not None
    assert [feeds[name].item() for name in DATATYPES] == [1.5, "clerk", 2, 0]


@pytest.mark.parametrize(
    "body",
    [
        KNOWN.replace(AGE, "[30.0, 31.0]"),
        KNOWN.replace(AGE, "[]"),
        KNOWN.replace(AGE, "[ ]"),
        KNOWN.replace(AGE, "[30.0, 31.0]").replace(HOURS, "[]"),
        KNOWN.replace(AGE, "[30.0,, 31.0]").replace(HOURS, "[]"),
        KNOWN.replace(AGE, "[30.0, 31.0]").replace(JOB, '["cook]').replace(HOURS, '[cook"]'),
        KNOWN.replace(AGE, '["30]').replace(JOB, '[cook", "a", "b"]'),
        KNOWN.replace(AGE, '[{"a": 1]').replace(JOB, '["b": 2}, "c"]'),
        KNOWN.replace(AGE, '[{"a": 1}]'),
        KNOWN.replace(AGE, "[true]"),
        KNOWN.replace(AGE, '["30"]'),
        KNOWN.replace(AGE, "[NaN]"),
        KNOWN.replace(AGE, "[1e999]"),
        KNOWN.replace(AGE, "[030]"),
        KNOWN.replace(AGE, "[30.0"),
        KNOWN.replace(JOB, '["a"], "data": ["b"]'),
        KNOWN.replace(JOB, '["a", "name": "b"]'),
        KNOWN.replace(JOB, "[7]"),
        KNOWN.replace("hours per week", "hours"),
        KNOWN.replace("FP64", "INT8"),
        KNOWN + "1",
        KNOWN[:-1],
        "[" + KNOWN,
        KNOWN.encode().replace(b"cook", b"c\xffok"),
        KNOWN.encode().replace(b"cook", b"co\nok"),
    ],
)
def test_errors_in_a_later_body_are_found_when_a_body_is_known(body: str | bytes) -> None:
    model = loaded(CLASSIFIER)
    respond(model, KNOWN)
    assert model.known_bodies
    message = respond(model, body)
    assert isinstance(message, str)
    assert message == respond(loaded(CLASSIFIER), body)


@pytest.mark.parametrize(
    "body",
    [
        body_of(30.0, "cook", 40.5, True, id="7"),
        body_of(30.0, "a]", 40.5, True),
        body_of(30.0, "cook", 40.5, True, shape=(1, 1)),
        body_of(30.0, "cook", 40.5, True).replace('"data": [30.0]', '"data" : [30.0]'),
        body_of(30.0, "x" * 20_000, 40.5, True),
    ],
)
def test_a_body_that_cannot_serve_as_a_template_is_not_remembered(body: str) -> None:
    model = loaded(CLASSIFIER)
    assert isinstance(respond(model, body), bytes)
    assert not model.known_bodies


@pytest.mark.parametrize("field", ['"parameters": {"data": [30.0]}', r'"\"data": [30.0]'], ids=["nested", "name"])
def test_an_array_outside_the_data_field_is_not_read_as_data(field: str) -> None:
    model = loaded(CLASSIFIER)
    body = KNOWN.replace('"data": [30.0]', f'{field}, "data" : [30.0]')
    assert isinstance(respond(model, body), bytes)
    other = body.replace("[30.0]", "[99.0]", 1)
    assert respond(model, other) == respond(loaded(CLASSIFIER), other)


def test_at_most_four_bodies_are_remembered() -> None:
    model = loaded(CLASSIFIER)
    for number in range(10):
        assert isinstance(respond(model, body_of(30.0, "cook", 40.5, True, parameters={"x": number})), bytes)
    assert len(model.known_bodies) == 4


JSON_CELLS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(cells=st.lists(JSON_CELLS, min_size=4, max_size=4), ascii_only=st.booleans())
def test_elements_read_by_a_known_body_equal_the_parsed_ones(cells: list[Any], ascii_only: bool) -> None:
    body = json.dumps(json.loads(body_of(*cells)), ensure_ascii=ascii_only)
    try:
        content = body.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return
    read = RowBody(KNOWN.encode(), 4)(content)
    has_bracket = any("]" in cell for cell in cells if isinstance(cell, str))
    if read is None:
        assert has_bracket or any(isinstance(cell, str) and not cell.isprintable() for cell in cells)
    else:
        assert not has_bracket
        assert read == [tensor["data"][0] for tensor in json.loads(body)["inputs"]]
