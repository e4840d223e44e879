"""Read ``template.yaml``: its parameters, its functions, and their layers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.contracts.errors import ConfigurationError

__all__ = ["Parameter", "Template", "parse_overrides", "read_template"]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (``!Ref``, ``!Sub`` ...) as their long ones."""


def _long_form(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _long_form)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """Parameter of the template.

    Attributes:
        name: Name of the parameter.
        default: Default value.
        allowed: Allowed values; empty if any is allowed.
        pattern: Regular expression that the whole text must match; None if any text is allowed.
        minimum: Smallest number allowed.
        maximum: Largest number allowed.
        is_number: Whether the value is a number.
    """

    name: str
    default: str
    allowed: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    is_number: bool = False

    def problem(self, value: str) -> str | None:
        """Return why CloudFormation would refuse ``value``; None if it would not."""
        if self.allowed and value not in self.allowed:
            return f"parameter {self.name} is '{value}': expected one of {', '.join(self.allowed)}"
        if not self.is_number:
            mismatch = f"parameter {self.name} is '{value}': expected a text that matches {self.pattern}"
            return mismatch if self.pattern and not re.fullmatch(self.pattern, value) else None
        try:
            number = float(value)
        except ValueError:
            return f"parameter {self.name} is '{value}': expected a number"
        if self.minimum is not None and number < self.minimum:
            return f"parameter {self.name} is {value}: expected at least {self.minimum:g}"
        if self.maximum is not None and number > self.maximum:
            return f"parameter {self.name} is {value}: expected at most {self.maximum:g}"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """Contents of the template.

    Attributes:
        parameters: Parameters by name.
        layers: Logical ids of each function's layers.
    """

    parameters: Mapping[str, Parameter]
    layers: Mapping[str, tuple[str, ...]]


def read_template(path: Path) -> Template:
    """Read the template.

    Raises:
        ConfigurationError: The file is missing: the command must run from a clone of the repository.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path} is missing: run this command in a clone of the repository")
    document = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    parameters = {name: _parameter(name, fields) for name, fields in document["Parameters"].items()}
    layers = {
        name: tuple(layer["Ref"] for layer in resource["Properties"].get("Layers", []))
        for name, resource in document["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    return Template(parameters=parameters, layers=layers)


def parse_overrides(texts: list[str], template: Template, *, with_empty: bool = False) -> dict[str, str]:
    """Parse ``NAME=VALUE`` arguments into parameters of the template.

    Args:
        texts: Command-line arguments.
        template: Template with the parameters.
        with_empty: Allow every parameter to be empty, which restores its default.

    Returns:
        Value by name.

    Raises:
        ConfigurationError: An argument has no ``=``, a name is unknown, or CloudFormation would refuse a value.
    """
    overrides = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError(
                f"'{text}' is not a parameter of the template: expected NAME=VALUE; "
                "'modeldrop promote MODEL VERSION' makes a version live, 'modeldrop up' starts the embedded cloud"
            )
        parameter = template.parameters.get(name)
        if parameter is None:
            nearest = difflib.get_close_matches(name, template.parameters, n=1, cutoff=0.4)
            hint = f"did you mean {nearest[0]}?" if nearest else f"expected one of {', '.join(template.parameters)}"
            raise ConfigurationError(f"the template has no parameter '{name}': {hint}")
        if (value or not with_empty) and (problem := parameter.problem(value)):
            raise ConfigurationError(problem)
        overrides[name] = value
    return overrides


def _parameter(name: str, fields: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        default=str(fields.get("Default", "")),
        allowed=tuple(map(str, fields.get("AllowedValues", []))),
        pattern=fields.get("AllowedPattern"),
        minimum=fields.get("MinValue"),
        maximum=fields.get("MaxValue"),
        is_number=fields.get("Type") == "Number",
    )
