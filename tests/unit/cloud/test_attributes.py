"""Serialization of DynamoDB items, compared with boto3's serializer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cloud.attributes import deserialize_item, serialize_item, write_value

NUMBERS = st.integers(-(10**30), 10**30) | st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100
)
PLAIN = st.none() | st.booleans() | st.text(max_size=20) | NUMBERS.filter(lambda n: n == 0 or abs(n) > 1e-100)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def decimals(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() | float():
            return Decimal(repr(value))
        case list():
            return [decimals(part) for part in value]
        case dict():
            return {name: decimals(part) for name, part in value.items()}
    return value


@given(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=4))
def test_an_item_is_deserialized_unchanged(item: dict[str, Any]) -> None:
    assert deserialize_item(serialize_item(item)) == item


@given(VALUES)
def test_boto3_reads_serialized_values(value: Any) -> None:
    assert TypeDeserializer().deserialize(write_value(value)) == decimals(value)


@given(VALUES)
def test_values_serialized_by_boto3_are_read(value: Any) -> None:
    assert deserialize_item({"a": TypeSerializer().serialize(decimals(value))}) == {"a": value}


def test_a_whole_number_becomes_an_int_and_a_fraction_a_float() -> None:
    read = deserialize_item({"a": {"N": "3"}, "b": {"N": "0.5"}, "c": {"N": "1E-7"}})
    assert [(type(v), v) for v in read.values()] == [(int, 3), (float, 0.5), (float, 1e-7)]


def test_a_tuple_is_serialized_as_a_list() -> None:
    assert write_value(("a", 1)) == {"L": [{"S": "a"}, {"N": "1"}]}


def test_an_unsupported_type_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        write_value({1, 2})
