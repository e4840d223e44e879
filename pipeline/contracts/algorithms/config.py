"""Base class of the algorithms' configs, and how their fields are documented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.contracts.algorithms.hyperparameter import Hyperparameter, Range, Setting
from pipeline.contracts.signature import Task

__all__ = ["AlgorithmConfig", "SearchMetadata", "hyperparameter", "search_range", "search_values"]

_LIST_KINDS = MappingProxyType({"integer": "integers", "number": "numbers", "string": "strings"})
_BOUNDS = MappingProxyType(
    {
        "minimum": "minimum",
        "exclusiveMinimum": "above",
        "maximum": "maximum",
        "exclusiveMaximum": "below",
        "enum": "choices",
        "minItems": "min_length",
    }
)
_DOCUMENTATION = ("description", "unit", "task", "set_by")


@dataclass(frozen=True, slots=True)
class SearchMetadata:
    """Metadata of a field: the range or the values that a search tries."""

    space: Range | tuple[Setting, ...]


class AlgorithmConfig(BaseModel):
    """Hyper-parameters of an algorithm. Each field has a type, a default, bounds, and a description of one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @property
    def bag_folds(self) -> int | None:
        """Return the number of folds of the candidate's bag; None: the number of the run."""
        return None

    @classmethod
    def describe(cls) -> tuple[Hyperparameter, ...]:
        """Describe the fields, in their order, for the catalog."""
        schemas = cls.model_json_schema()["properties"]
        return tuple(
            Hyperparameter(
                **_read_schema(schemas[name]),
                name=name,
                default=field.default,
                search=next((item.space for item in field.metadata if isinstance(item, SearchMetadata)), None),
            )
            for name, field in cls.model_fields.items()
        )


def hyperparameter(  # noqa: PLR0913 - bounds, each with pydantic's name for it
    description: str,
    *,
    unit: str = "",
    task: Task | None = None,
    set_by: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
) -> Any:
    """Document a field of a config, inside ``Annotated``.

    Args:
        description: One sentence.
        unit: Unit of the number, such as "epochs"; empty: it has none.
        task: The only task that the hyper-parameter has an effect on; None: all.
        set_by: The field of train.yaml that sets it for every algorithm; empty: ``settings.ALGORITHM`` does.
        ge: Minimum, inclusive.
        gt: Minimum, exclusive.
        le: Maximum, inclusive.
        lt: Maximum, exclusive.
        min_length: Minimum length of a list.
    """
    extra: dict[str, Any] = {
        name: value for name, value in (("unit", unit), ("task", task), ("set_by", set_by)) if value
    }
    return Field(
        description=description, json_schema_extra=extra or None, ge=ge, gt=gt, le=le, lt=lt, min_length=min_length
    )


def search_range(low: float, high: float, *, log: bool = False, whole: bool = False) -> SearchMetadata:
    """Let a search sample a field from a range; ``log``: uniformly in its logarithm; ``whole``: integers only."""
    return SearchMetadata(Range(low=low, high=high, log=log, whole=whole))


def search_values(*values: Setting) -> SearchMetadata:
    """Let a search try these values of a field."""
    return SearchMetadata(values)


def _read_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a field's JSON Schema to fields of a Hyperparameter; the first of several types determines the bounds."""
    fields: dict[str, Any] = {"kinds": ()}
    for alternative in _alternatives(schema):
        kind = alternative.get("type")
        items: Mapping[str, Any] = alternative.get("items") or next(iter(alternative.get("prefixItems", ())), {})
        if kind == "null":
            fields["nullable"] = True
        elif kind == "array":
            fields["kinds"] += (_LIST_KINDS[items["type"]],)
        elif kind is not None:
            fields["kinds"] += (kind,)
        bounds = {
            ours: schema_part[theirs]
            for schema_part in (items, alternative)
            for theirs, ours in _BOUNDS.items()
            if theirs in schema_part
        }
        documentation = {name: alternative[name] for name in _DOCUMENTATION if name in alternative}
        fields = {**bounds, **documentation, **fields}
    return fields


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for alternative in schema.get("anyOf", ()):
        yield from _alternatives(alternative)
