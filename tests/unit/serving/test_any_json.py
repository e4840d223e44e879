"""Any JSON is predicted or refused with an InvalidRequestError; no other exception escapes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.loaded_model import LoadedModel
from tests.helpers.served_models import CLASSIFIER, COLUMNS, REGRESSOR, loaded

MODELS = [loaded(CLASSIFIER), loaded(REGRESSOR)]
NAMES = [column.name for column in COLUMNS]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "?", "true", "no", "cook", "\0", "é", "🦆"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "name"]) | st.text(), inner),
    max_leaves=8,
)
fitting = st.fixed_dictionaries(
    {
        "age": st.none()
        | st.floats(allow_nan=False, allow_infinity=False, width=32)
        | st.integers(-(2**63), 2**64 - 1),
        "job": scalars.filter(lambda cell: not isinstance(cell, float) or abs(cell) < 2**53),
        "hours per week": st.none() | st.floats(-1e6, 1e6),
        "member": st.none() | st.booleans() | st.sampled_from(["true", "no", "NA"]),
    }
)
rows = st.lists(fitting | st.dictionaries(st.sampled_from(NAMES), scalars) | anything, max_size=4)
tensors = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(NAMES) | anything,
            "shape": st.sampled_from([[1], [2], [2, 1], [0]]) | anything,
            "datatype": st.sampled_from(["FP32", "BYTES", "BOOL", "INT8"]) | anything,
            "data": st.lists(scalars, max_size=3) | anything,
        }
    )
    | anything,
    max_size=5,
)
documents = (
    anything
    | st.fixed_dictionaries({"rows": rows | anything})
    | st.fixed_dictionaries({"inputs": tensors | anything}, optional={"outputs": anything, "id": anything})
)


def answer(model: LoadedModel, document: Any) -> dict[str, Any] | None:
    try:
        body: dict[str, Any] = json.loads(infer_document(model, document).body)
    except InvalidRequestError:
        return None
    return body


@settings(max_examples=300, deadline=None)
@given(documents)
def test_any_json_is_predicted_or_refused_with_invalid_request(document: Any) -> None:
    for model in MODELS:
        answer(model, document)


@settings(max_examples=100, deadline=None)
@given(st.lists(fitting, min_size=1, max_size=5))
def test_valid_rows_are_predicted_the_same_in_a_batch_and_one_by_one(rows: list[dict[str, Any]]) -> None:
    for model, field in zip(MODELS, ("label", "value"), strict=True):
        together = answer(model, {"rows": rows})
        assert together is not None
        alone = [answer(model, {"rows": [row]}) for row in rows]
        assert [response["predictions"][0].keys() for response in alone if response] == [
            p.keys() for p in together["predictions"]
        ]
        if field == "label":
            assert [response["predictions"][0][field] for response in alone if response] == [
                p[field] for p in together["predictions"]
            ]
