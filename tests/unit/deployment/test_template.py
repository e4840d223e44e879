"""The parameters of the template, and overrides on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.contracts.errors import ConfigurationError
from pipeline.deployment.template import Template, parse_overrides, read_template

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template(ROOT / "template.yaml")


def test_parameters_have_their_defaults_and_bounds(template: Template) -> None:
    gpu, vcpus = template.parameters["Gpu"], template.parameters["MaxVcpus"]
    assert (gpu.default, gpu.allowed) == ("spot", ("spot", "on-demand", "none"))
    assert (vcpus.minimum, vcpus.maximum, vcpus.is_number) == (4, 10_000, True)


def test_every_function_has_its_layers(template: Template) -> None:
    assert template.layers["PredictFunction"] == ("InferenceLayer", "ArraysLayer", "CommonLayer", "PipelineLayer")
    assert all("PipelineLayer" in layers for layers in template.layers.values())


def test_overrides_are_passed_through_unchanged(template: Template) -> None:
    overrides = ["Gpu=none", "CpuInstanceTypes=c6i.xlarge,m6i.xlarge", "ImageUri=a/b:c=d"]
    assert parse_overrides(overrides, template) == {
        "Gpu": "none",
        "CpuInstanceTypes": "c6i.xlarge,m6i.xlarge",
        "ImageUri": "a/b:c=d",
    }


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Gpus=none", ("'Gpus'", "did you mean Gpu?")),
        ("Gpu=yes", ("Gpu", "'yes'", "spot, on-demand, none")),
        ("MaxVcpus=2", ("MaxVcpus", "2", "at least 4")),
        ("MaxVcpus=20000", ("MaxVcpus", "at most 10000")),
        ("MaxVcpus=many", ("MaxVcpus", "'many'", "a number")),
        ("WebhookUrl=example.com", ("WebhookUrl", "'example.com'", "https?://")),
        ("houses", ("'houses'", "NAME=VALUE", "modeldrop promote", "modeldrop up")),
    ],
)
def test_an_override_that_cloudformation_would_refuse_is_refused(
    template: Template, text: str, facts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_overrides([text], template)
    for fact in facts:
        assert fact in str(refused.value)


def test_an_empty_value_restores_the_default_only_where_allowed(template: Template) -> None:
    assert parse_overrides(["Gpu=", "MaxVcpus="], template, with_empty=True) == {"Gpu": "", "MaxVcpus": ""}
    with pytest.raises(ConfigurationError, match="Gpu"):
        parse_overrides(["Gpu="], template)


def test_a_missing_template_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"template\.yaml is missing"):
        read_template(tmp_path / "template.yaml")
