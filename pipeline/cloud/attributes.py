"""Convert items to DynamoDB's typed form, and back.

boto3's own serializer takes and returns Decimal, and importing it would add 18 ms to a cold start of the predict
function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "MAX_ITEM_BYTES",
    "deserialize_item",
    "increment_request",
    "item_bytes",
    "serialize_item",
    "write_value",
]

MAX_ITEM_BYTES = 400 << 10  # DynamoDB's limit for an item, including the names of its attributes


def serialize_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the typed value of each attribute."""
    return {name: write_value(value) for name, value in item.items()}


def write_value(value: object) -> dict[str, Any]:
    """Serialize a value to DynamoDB's typed form.

    Args:
        value: None, bool, int, finite float, str, or a list or mapping of them.

    Raises:
        TypeError: The value has another type.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float():
            return {"N": repr(value)}
        case Mapping():
            return {"M": serialize_item(value)}
        case list() | tuple():
            return {"L": [write_value(element) for element in value]}
    raise TypeError(f"a {type(value).__name__} cannot be an attribute")


def deserialize_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of DynamoDB's typed form; tuples have become lists, and floats such as 1.0 integers."""
    return {name: _read_value(value) for name, value in item.items()}


def _read_value(typed: Mapping[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return _read_number(value)
        case "M":
            return deserialize_item(value)
        case "L":
            return [_read_value(element) for element in value]
        case "NULL":
            return None
    return value


def _read_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def increment_request(amounts: Mapping[str, float], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return UpdateItem's parameters that add ``amounts`` to attributes and set ``values``; neither may be empty."""
    names = [*amounts, *values]  # each gets a placeholder, because DynamoDB reserves many English words
    added = ", ".join(f"#n{number} :v{number}" for number in range(len(amounts)))
    assigned = ", ".join(f"#n{number} = :v{number}" for number in range(len(amounts), len(names)))
    return {
        "UpdateExpression": f"SET {assigned} ADD {added}",
        "ExpressionAttributeNames": {f"#n{number}": name for number, name in enumerate(names)},
        "ExpressionAttributeValues": serialize_item(
            {f":v{number}": value for number, value in enumerate([*amounts.values(), *values.values()])}
        ),
    }


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return an upper bound of an item's size as DynamoDB counts it; the size of numbers is not specified exactly.

    References:
        Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: object) -> int:
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode())
        case int() | float():
            return 21
        case Mapping():
            return 3 + len(value) + item_bytes(value)
        case list() | tuple():
            return 3 + sum(1 + _value_bytes(element) for element in value)
    raise TypeError(f"a {type(value).__name__} cannot be an attribute")
