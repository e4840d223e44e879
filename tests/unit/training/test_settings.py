"""Allowed values of settings: the smallest allowed value trains, and values out of bounds are refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_type_hints

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.algorithms.hyperparameter import Hyperparameter, Range, Setting
from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.algorithms.spec import AlgorithmSpec
from pipeline.contracts.errors import CandidateFailedError, InvalidJobSpecError
from pipeline.contracts.spec.job_spec import Training
from pipeline.planning.settings import validate_setting
from pipeline.training.algorithm import Algorithm, Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from tests.fakes.networks import task
from tests.fakes.training import QUICK

ROWS = 60
SETTINGS = [
    (spec, field)
    for spec in catalog().values()
    for field in spec.hyperparameters
    if field.kinds != ("boolean",) and (field.choices or field.bounds) and field.name not in NetworkConfig.model_fields
]


def _smallest(field: Hyperparameter) -> Setting:
    """Return the allowed value nearest to the lower bound."""
    if field.choices:
        return field.choices[0]
    low = field.minimum if field.minimum is not None else (field.above or 0) + 1e-9
    return int(low) if "integer" in field.kinds else low


def _beyond(field: Hyperparameter) -> Iterator[Setting]:
    if field.choices:
        yield "no such word"
        return
    for number in (
        field.above,
        None if field.minimum is None else field.minimum - 1,
        None if field.maximum is None else field.maximum * 2,
    ):
        if number is not None:
            yield int(number) if "integer" in field.kinds else number
    if "integer" not in field.kinds:
        yield math.nan


def _task(spec: AlgorithmSpec) -> TrainingTask:
    kind = spec.tasks[0]
    training_task = task(rows=ROWS, classes=2 if kind == "classification" else 0, kind=kind)
    random = np.random.default_rng(0)

    def rows(plain: Rows) -> Rows:
        more: dict[str, Any] = {}
        if "image" in spec.required_inputs:
            more["image"] = random.integers(0, 255, (len(plain), 8, 8, 1)).astype(np.uint8)
        if "text" in spec.required_inputs:
            more["text"] = np.array([["one two"], ["two three four"], [""]] * len(plain), object)[: len(plain)]
        if more:
            more["num"] = np.empty((len(plain), 0), np.float32)
        target = plain.target if kind == "classification" else np.zeros(len(plain), np.int64)
        return Rows(**{"num": plain.num, "cat": plain.cat, "target": target, **more})

    return replace(training_task, train=rows(training_task.train), validation=rows(training_task.validation))


def _id(value: object) -> str:
    return value.name if isinstance(value, AlgorithmSpec | Hyperparameter) else str(value)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=lambda algorithm: algorithm.name)
def test_every_hyperparameter_is_documented_and_its_numbers_have_bounds(algorithm: Algorithm[Any]) -> None:
    for field in algorithm.spec.hyperparameters:
        assert field.description.endswith("."), field.name
        assert field.bounds or field.choices or not field.is_numeric, field.name


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=lambda algorithm: algorithm.name)
def test_defaults_overrides_and_searched_values_are_valid(algorithm: Algorithm[Any]) -> None:
    spec = algorithm.spec
    for settings in (spec.defaults, *(override.settings for override in spec.overrides)):
        assert [name for name, value in settings.items() if spec.value_error(name, value)] == []
        algorithm.configure(settings)
    for field in spec.hyperparameters:
        values = field.search or ()
        ends = [field.read(values.low), field.read(values.high)] if isinstance(values, Range) else values
        assert [value for value in ends if field.value_error(value)] == [], field.name


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=lambda algorithm: algorithm.name)
def test_the_catalog_and_the_config_have_the_same_defaults(algorithm: Algorithm[Any]) -> None:
    assert algorithm.config().model_dump() == algorithm.spec.defaults == catalog()[algorithm.name].defaults


def test_networks_have_the_hyperparameters_of_the_training_section() -> None:
    for name, field in Training.model_fields.items():
        if name in NetworkConfig.model_fields and name not in ("base_model", "freeze", "parallel"):
            assert get_type_hints(Training, include_extras=True)[name] == (
                get_type_hints(NetworkConfig, include_extras=True)[name] | None
            )
            assert field.default is None


def test_a_config_refuses_the_values_that_the_planner_refuses() -> None:
    for settings in ({"epochs": "3"}, {"epochs": 0}, {"dropout": 1.0}, {"hidden": (0,)}, {"optimizer": "adm"}):
        with pytest.raises(ValidationError):
            NetworkConfig.model_validate(settings)
        with pytest.raises(CandidateFailedError, match=f"mlp: {next(iter(settings))}: "):
            ALGORITHMS["mlp"].configure(settings)


@pytest.mark.parametrize(("spec", "field"), SETTINGS, ids=_id)
def test_a_value_out_of_bounds_is_refused_with_the_name_of_the_setting(
    spec: AlgorithmSpec, field: Hyperparameter
) -> None:
    for value in _beyond(field):
        with pytest.raises(CandidateFailedError, match=f"{spec.name}: {field.name}: .*expected|did you mean"):
            ALGORITHMS[spec.name].configure({field.name: value})
        if field.set_by:
            continue
        with pytest.raises(InvalidJobSpecError, match=f"settings.{spec.name}.{field.name}: .*"):
            validate_setting(f"settings.{spec.name}", field.name, value, spec)


@pytest.mark.parametrize("spec", [spec for spec in catalog().values() if spec.hyperparameter("hidden")], ids=_id)
def test_only_some_networks_may_have_no_hidden_layers(spec: AlgorithmSpec) -> None:
    hidden = spec.hyperparameter("hidden")
    assert hidden is not None
    assert (hidden.value_error(()) is None) == (spec.name in ("mlp", "transformer", "model_py"))


@pytest.mark.parametrize(("spec", "field"), SETTINGS, ids=_id)
def test_the_smallest_allowed_value_trains(spec: AlgorithmSpec, field: Hyperparameter) -> None:
    algorithm = ALGORITHMS[spec.name]
    settings = {**QUICK[spec.name], **({"epochs": 1} if spec.is_network else {})}
    if spec.hyperparameter("heads"):
        settings |= {"width": 2, "heads": 1}
    training_task = _task(spec)
    fitted = algorithm.train(
        algorithm.configure({**settings, field.name: _smallest(field)}), training_task, RunContext()
    )
    assert np.isfinite(fitted.predict(training_task.validation)).all()


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    spec = catalog()["transformer"]
    settings = ALGORITHMS["transformer"].configure({"width": 10, "heads": 4})
    with pytest.raises(CandidateFailedError, match="width is 10 and heads is 4: the width must be a multiple"):
        ALGORITHMS["transformer"].train(settings, _task(spec), RunContext())
