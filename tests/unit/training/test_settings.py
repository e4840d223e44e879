"""Which values a setting can have: what is said to be allowed trains, and what is not is refused with a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.algorithm_spec import AlgorithmSpec, Allowed, Setting
from pipeline.contracts.errors import CandidateFailedError, InvalidJobSpecError
from pipeline.contracts.spec.algorithm_catalog import catalogue
from pipeline.planning.settings import validate_setting
from pipeline.training.algorithm import Problem, Rows
from pipeline.training.algorithms import RECIPES
from pipeline.training.networks.config import NETWORK_DEFAULTS
from tests.fakes.networks import problem
from tests.fakes.training import QUICK

ROWS = 60
_ELSEWHERE = {"clusters", "code"}  # named by the spec's own fields
SETTINGS = [(spec, name) for spec in catalogue().values() for name in spec.allowed]


def _least(allowed: Allowed, default: Setting) -> Setting:
    """The value nearest to the lower bound."""
    if allowed.choices:
        return allowed.choices[0]
    low = allowed.minimum if allowed.minimum is not None else (allowed.above or 0) + 1e-9
    number = int(low) if allowed.whole else low
    return (number,) if allowed.min_length else number


def _beyond(allowed: Allowed) -> Iterator[Setting]:
    if allowed.choices:
        yield "no such word"
        return
    for number in (
        allowed.above,
        None if allowed.minimum is None else allowed.minimum - 1,
        None if allowed.maximum is None else allowed.maximum * 2,
    ):
        if number is not None:
            value = int(number) if allowed.whole else number
            yield (value,) if allowed.min_length else value
    if allowed.min_length:
        yield ()
    elif not allowed.whole:
        yield math.nan


def _problem(spec: AlgorithmSpec) -> Problem:
    task = spec.tasks[0]
    given = problem(rows=ROWS, classes=2 if task == "classification" else 0, task=task)
    random = np.random.default_rng(0)

    def rows(plain: Rows) -> Rows:
        more: dict[str, Any] = {}
        if "image" in spec.must_read:
            more["image"] = random.integers(0, 255, (len(plain), 8, 8, 1)).astype(np.uint8)
        if "text" in spec.must_read:
            more["text"] = np.array([["one two"], ["two three four"], [""]] * len(plain), object)[: len(plain)]
        if more:
            more["num"] = np.empty((len(plain), 0), np.float32)
        target = plain.target if task == "classification" else np.zeros(len(plain), np.int64)
        return Rows(**{"num": plain.num, "cat": plain.cat, "target": target, **more})

    return Problem(
        **{
            **{name: getattr(given, name) for name in Problem.__dataclass_fields__},
            "train": rows(given.train),
            "validation": rows(given.validation),
        }
    )


def test_every_number_and_word_that_is_an_algorithms_own_has_its_values() -> None:
    for spec in catalogue().values():
        own = {
            name
            for name, value in spec.defaults.items()
            if name not in NETWORK_DEFAULTS and not isinstance(value, bool) and name not in _ELSEWHERE - {"clusters"}
        }
        assert own <= set(spec.allowed), spec.name


def test_what_an_algorithm_takes_by_itself_is_allowed() -> None:
    for spec in catalogue().values():
        for settings in (spec.defaults, spec.in_trials, *(one.settings for one in spec.adjustments)):
            assert [name for name, value in settings.items() if spec.value_error(name, value)] == [], spec.name


@pytest.mark.parametrize(("spec", "name"), SETTINGS, ids=lambda one: getattr(one, "name", one))
def test_what_is_not_allowed_is_refused_by_setting_value_and_what_is_expected(spec: AlgorithmSpec, name: str) -> None:
    for value in _beyond(spec.allowed[name]):
        assert not spec.allowed[name].allows(value)
        with pytest.raises(CandidateFailedError, match=f"{spec.name}: {name}: .*{'is expected' if value else ''}"):
            RECIPES[spec.name].complete({name: value})
        if name in _ELSEWHERE:
            continue
        with pytest.raises(InvalidJobSpecError, match=f"settings.{spec.name}.{name}: .*"):
            validate_setting(f"settings.{spec.name}", name, value, spec)


@pytest.mark.parametrize(("spec", "name"), SETTINGS, ids=lambda one: getattr(one, "name", one))
def test_the_least_value_that_is_allowed_trains(spec: AlgorithmSpec, name: str) -> None:
    recipe = RECIPES[spec.name]
    least = _least(spec.allowed[name], spec.defaults[name])
    settings = recipe.complete({**QUICK[spec.name], "epochs": 1} if spec.knobs else QUICK[spec.name])
    given = _problem(spec)
    if "heads" in settings:
        settings |= {"width": 2, "heads": 1}
    fitted = recipe.train(recipe.complete({**settings, name: least}), given)
    assert np.isfinite(fitted.predict(given.validation)).all()


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    spec = catalogue()["transformer"]
    settings = RECIPES["transformer"].complete({"width": 10, "heads": 4})
    with pytest.raises(CandidateFailedError, match="width is 10 and heads 4: a multiple of the heads is expected"):
        RECIPES["transformer"].train(settings, _problem(spec))
