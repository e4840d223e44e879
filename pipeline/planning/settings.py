"""A candidate's settings: the algorithm's own for data of that shape, and what the spec says instead."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import get_args

from pipeline.contracts.algorithm_spec import AlgorithmSpec, Setting, Settings, did_you_mean
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.spec.job_spec import JobSpec, Loss, Training, merge_training, setting_error
from pipeline.planning.rules import Case

__all__ = ["check_name", "check_training", "deprecated_notes", "kind_of", "settings_of", "unread", "validate_setting"]

_OF_CLASSES = ("cross_entropy", "focal")
# A recipe's own rate is one for adamw, with which these would hardly move, or be thrown about.
_OPTIMIZER_LEARNING_RATES: Mapping[str, float] = MappingProxyType(
    {
        "gd": 0.3,
        "normalized_gd": 0.1,
        "sgd": 0.1,
        "momentum": 0.02,
        "nesterov": 0.02,
        "adagrad": 0.02,
        "adadelta": 1.0,
        "muon": 0.01,
    }
)
_REPORTED_ELSEWHERE = MappingProxyType(
    {
        "privacy_epsilon": "training.privacy",
        "privacy_delta": "training.privacy",
        "privacy_norm": "training.privacy",
        "parallel": "training.parallel",
        "base_model": "training.base_model",
        "freeze": "training.freeze",
        "clusters": "clusters",
        "code": "code",
    }
)


def settings_of(case: Case, spec: JobSpec) -> Settings:
    """Complete; raise InvalidJobSpecError naming the setting that the algorithm does not have, or cannot have so."""
    declared, where = case.declared, f"settings.{case.declared.name}"
    settings = declared.settings_for(rows=case.rows, classes=case.classes, task=case.dataset.task)
    own = {
        name: validate_setting(where, name, value, declared)
        for name, value in spec.settings.get(declared.name, {}).items()
    }
    training = spec.training
    if declared.knobs and (knobs := {name: value for name, value in own.items() if name in Training.model_fields}):
        training = merge_training(training, knobs, where)
        check_training(training, case.dataset, where)
        own = {name: value for name, value in own.items() if name not in knobs}
    given = {**_given(case, spec, training), **own}
    settings |= {name: value for name, value in given.items() if name in settings}
    for name in given:
        if name in settings and (problem := declared.value_error(name, settings[name])):
            raise InvalidJobSpecError(f"training.{name} of {declared.name}: {problem}")
    if declared.brings_code:
        settings["code"] = json.dumps(spec.code)
    return settings


def _given(case: Case, spec: JobSpec, training: Training) -> Settings:
    """By fields of the spec that are of more than one algorithm."""
    declared = case.declared
    given = _knobs(training, rows=case.rows) if declared.knobs else {}
    if declared.knobs and (rate := _OPTIMIZER_LEARNING_RATES.get(training.optimizer or "")):
        given = {"learning_rate": rate, **given}
    if spec.clusters is not None:
        given["clusters"] = spec.clusters
    return given


def _knobs(training: Training, *, rows: int) -> Settings:
    """What ``training`` says of a network, as its settings."""
    knobs = training.knobs
    if training.privacy:
        knobs |= {
            "privacy_epsilon": training.privacy.epsilon,
            "privacy_delta": training.privacy.delta_for(rows),
            "privacy_norm": training.privacy.max_gradient_norm,
        }
    if training.parallel.nodes > 1:
        knobs["parallel"] = training.parallel.strategy
    if training.base_model:
        knobs |= {"base_model": training.base_model, "freeze": training.freeze}
    return knobs


def unread(spec: JobSpec, planned: Sequence[AlgorithmSpec]) -> tuple[str, ...]:
    """What of ``training`` some of the algorithms do not read, of those that were named, else what none reads; and
    ``settings`` of what is not tried."""
    deaf = {
        name: [one.name for one in planned if not (one.knobs and name in one.defaults)] for name in spec.training.knobs
    }
    told = {name: names for name, names in deaf.items() if names and (spec.algorithms or len(names) == len(planned))}
    tried = {one.name for one in planned}
    return (
        *(
            f"training.{name} is not read by {', '.join(names)}: settings is for what an algorithm has of its own"
            for name, names in told.items()
        ),
        *(f"settings.{name}: it is not tried here" for name in spec.settings if name not in tried),
    )


def deprecated_notes(spec: JobSpec) -> tuple[str, ...]:
    """Return what of the spec has no effect any more, or another name."""
    notes = []
    if spec.cross_validate is not None:
        notes.append(
            "cross_validate is deprecated and has no effect: every candidate is trained as a bag of fold models and "
            "compared by its out-of-fold predictions; folds: 1 trains one model"
        )
    if spec.refit is not None:
        notes.append("refit is deprecated and has no effect: the fold models learn from the validation rows too")
    if any("folds" in settings for settings in spec.settings.values()):
        notes.append("settings.gradient_boosting.folds is deprecated: folds sets it for every candidate")
    return tuple(notes)


def check_training(training: Training, dataset: Dataset, where: str = "training") -> None:
    """Raise InvalidJobSpecError where it is of another task, or of classes or images that are not there."""
    task = dataset.task
    if dataset.targets:
        _check_several_targets(training, where)
    if training.loss and (training.loss in _OF_CLASSES) != (task == "classification"):
        fitting = [loss for loss in get_args(Loss) if (loss in _OF_CLASSES) == (task == "classification")]
        raise InvalidJobSpecError(
            f"{where}.loss '{training.loss}' is not for {task}: one of {', '.join(fitting)} is expected"
        )
    if training.quantiles and task != "regression":
        raise InvalidJobSpecError(f"{where}.quantiles are of a regression, and this is a {task}")
    if training.privacy and training.schedule == "plateau":
        raise InvalidJobSpecError(
            f"{where}.schedule 'plateau' follows exact losses of the validation rows, which training.privacy does not "
            "allow: another schedule is expected"
        )
    if training.mixup and all(column.kind != "image" for column in dataset.columns):
        raise InvalidJobSpecError(f"{where}.mixup mixes images, and there are none")
    _check_class_weights(training, dataset)


def _check_several_targets(training: Training, where: str) -> None:
    """Raise InvalidJobSpecError for what a model of several targets cannot be."""
    wanted = {"quantiles": training.quantiles or training.loss == "quantile", "base_model": training.base_model}
    for name, value in wanted.items():
        if value:
            raise InvalidJobSpecError(f"{where}.{name} is of one target, and several are learned: leave it out")


def _check_class_weights(training: Training, dataset: Dataset) -> None:
    if training.class_weights is None:
        return
    if dataset.task != "classification":
        raise InvalidJobSpecError(f"training.class_weights are of a classification, and this is a {dataset.task}")
    if training.class_weights == "balanced":
        return
    for label in training.class_weights:
        if label in dataset.classes:
            continue
        meant = "quote what YAML reads as true or false: 'yes'" if label in ("true", "false") else ""
        raise InvalidJobSpecError(
            f"training.class_weights: there is no class '{label}': {meant or did_you_mean(label, dataset.classes)} "
            "(those of too few rows are set aside)"
        )


def check_name(where: str, name: str, declared: AlgorithmSpec) -> None:
    """Raise InvalidJobSpecError when the algorithm has no such setting, or it is said elsewhere."""
    if name not in declared.defaults:
        raise InvalidJobSpecError(f"{where}: there is no setting '{name}': {did_you_mean(name, declared.defaults)}")
    if name in _REPORTED_ELSEWHERE:
        raise InvalidJobSpecError(f"{where}.{name}: {_REPORTED_ELSEWHERE[name]} says it for every algorithm")


def validate_setting(where: str, name: str, value: Setting, declared: AlgorithmSpec) -> Setting:
    """``value`` as the setting has it; raise InvalidJobSpecError as check_name, or where it is of another kind."""
    check_name(where, name, declared)
    if value is None and name in declared.unbounded:
        return None
    where = f"{where}.{name}"
    default = declared.defaults[name]
    value = _number(value, default)
    is_knob = declared.knobs and name in Training.model_fields
    if is_knob and value is None:
        return value  # the plan chooses
    problem = setting_error(name, value) if is_knob else None
    if not (is_knob and problem is None) and not _is_compatible(value, default):
        raise InvalidJobSpecError(f"{where}: a value is {kind_of(value)}, {kind_of(default)} is expected")
    if problem := problem or declared.value_error(name, value):
        raise InvalidJobSpecError(f"{where}: {problem}")
    return value


def _number(value: Setting, default: Setting) -> Setting:
    """YAML reads 1e-3 as a word, and 100.0 where a whole number is meant is one."""
    if isinstance(default, bool) or not isinstance(default, int | float) or isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    if isinstance(default, int) and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _is_compatible(value: Setting, default: Setting) -> bool:
    if default is None:
        return True  # the recipe decides what no value means
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, int):
        return isinstance(value, int)
    if isinstance(default, tuple) and default:
        return isinstance(value, tuple) and all(isinstance(one, type(default[0])) for one in value)
    return isinstance(value, type(default))


def kind_of(value: Setting) -> str:
    """In words."""
    if isinstance(value, tuple):
        return f"a list ({', '.join(dict.fromkeys(map(kind_of, value))) or 'empty'})"
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    return kinds.get(type(value), "nothing")
