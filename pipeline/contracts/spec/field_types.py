"""Types of the fields of train.yaml: how a YAML value is converted, and which values the JSON Schema accepts."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.record import Record
from pipeline.contracts.records.variant import PassName
from pipeline.contracts.spec.metrics import METRIC_ALIASES, Metric, resolve_metric
from pipeline.contracts.suggestions import did_you_mean

__all__ = [
    "AlgorithmName",
    "Fraction",
    "Header",
    "Label",
    "Marker",
    "MetricName",
    "Passes",
    "Section",
    "Sheet",
    "Text",
    "Threshold",
]


def _check_algorithm(name: str) -> str:
    if name not in catalog():
        raise ValueError(f"unknown algorithm '{name}': {did_you_mean(name, catalog())}")
    return name


def _as_text(value: object) -> object:
    """Return a value that YAML read as a number or a truth value as text, such as the name of the column 2019."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _as_marker(value: object) -> object:
    return "null" if value is None else _as_text(value)


def _check_threshold(value: object) -> object:
    if value == "auto" or (isinstance(value, int | float) and 0 < value < 1):
        return value
    raise ValueError("auto, or a number between 0 and 1, is expected")


Label = Annotated[str, BeforeValidator(lambda label: label if isinstance(label, str) else str(label).lower())]
Text = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | float | bool)]
Sheet = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_as_text, json_schema_input_type=Annotated[str, Field(min_length=1)] | float),
]
Marker = Annotated[str, BeforeValidator(_as_marker, json_schema_input_type=str | float | bool | None)]
# YAML 1.1 reads the word no as false; none is meant.
Header = Annotated[
    Literal["auto", "none"],
    BeforeValidator(
        lambda header: "none" if header is False else header,
        json_schema_input_type=Literal["auto", "none", False],
    ),
]
Fraction = Annotated[float, Field(gt=0, lt=0.5)]
AlgorithmName = Annotated[str, AfterValidator(_check_algorithm)]
Threshold = Annotated[
    Literal["auto"] | Annotated[float, Field(gt=0, lt=1)],
    BeforeValidator(_check_threshold, json_schema_input_type=Literal["auto"] | Annotated[float, Field(gt=0, lt=1)]),
]
Passes = Annotated[  # the tags have brackets, so that messages leave them out (error_sentences)
    Annotated[Literal["auto"], Tag("[auto]")] | Annotated[tuple[PassName, ...], Tag("[passes]")],
    Discriminator(lambda passes: "[auto]" if passes == "auto" else "[passes]"),
    BeforeValidator(lambda passes: [passes] if isinstance(passes, str) and passes != "auto" else passes),
]
MetricName = Annotated[
    Metric,
    BeforeValidator(
        lambda name: resolve_metric(name) if isinstance(name, str) else name,
        json_schema_input_type=Literal[(*get_args(Metric), *METRIC_ALIASES)],
    ),
]


class Section(Record):
    """A mapping in train.yaml. Infinite numbers are refused, since JSON has none; leave a limit out instead."""

    model_config = ConfigDict(allow_inf_nan=False)
