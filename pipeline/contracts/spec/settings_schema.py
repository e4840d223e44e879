"""JSON Schema of ``settings`` in train.yaml, from the catalog: an editor completes the algorithms' hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.algorithms.hyperparameter import Hyperparameter, Kind

__all__ = ["add_algorithms", "lift_descriptions"]

_TYPES: Mapping[Kind, str] = MappingProxyType(
    {
        "boolean": "boolean",
        "integer": "integer",
        "number": "number",
        "string": "string",
        "integers": "integer",
        "numbers": "number",
        "strings": "string",
    }
)


def add_algorithms(schema: dict[str, Any]) -> None:
    """Replace the schema of ``settings`` with a schema of the hyper-parameters of each algorithm.

    Args:
        schema: JSON Schema of the field, changed in place.
    """
    schema["additionalProperties"] = False
    schema["properties"] = {
        spec.name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {field.name: _field_schema(field) for field in spec.hyperparameters if not field.set_by},
        }
        for spec in catalog().values()
    }
    schema.pop("propertyNames", None)


def lift_descriptions(schema: dict[str, Any]) -> None:
    """Move the descriptions of optional fields from their types to the fields, where editors show them.

    Args:
        schema: JSON Schema of a section, changed in place.
    """
    for field in schema["properties"].values():
        for alternative in field.get("anyOf", ()):
            if "description" in alternative:
                field.setdefault("description", alternative.pop("description"))


def _field_schema(field: Hyperparameter) -> dict[str, Any]:
    bounds = {
        "minimum": field.minimum,
        "exclusiveMinimum": field.above,
        "maximum": field.maximum,
        "exclusiveMaximum": field.below,
        "enum": list(field.choices) or None,
    }
    stated = {name: bound for name, bound in bounds.items() if bound is not None}
    types = [_type_schema(kind, stated, field.min_length) for kind in field.kinds]
    types.append({"type": "null"})  # null leaves the choice to the plan, or to the algorithm
    unit = {"unit": field.unit} if field.unit else {}
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return {"description": field.description, "default": default, **unit, "anyOf": types}


def _type_schema(kind: Kind, bounds: Mapping[str, Any], min_length: int) -> dict[str, Any]:
    scalar = {"type": _TYPES[kind], **bounds}
    if not kind.endswith("s"):
        return scalar
    return {"type": "array", "items": scalar, **({"minItems": min_length} if min_length else {})}
