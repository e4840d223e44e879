"""The settings of a candidate: the algorithm's defaults for data of this shape, overridden by the spec."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import get_args

from pipeline.contracts.algorithms.hyperparameter import Hyperparameter, Setting, Settings
from pipeline.contracts.algorithms.network_config import LossName
from pipeline.contracts.algorithms.spec import AlgorithmSpec
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.spec.job_spec import JobSpec, Training, merge_training
from pipeline.contracts.suggestions import did_you_mean
from pipeline.planning.rules import Case

__all__ = [
    "check_training",
    "deprecated_notes",
    "find_hyperparameter",
    "settings_of",
    "unused_notes",
    "validate_setting",
]

_CLASSIFICATION_LOSSES = ("cross_entropy", "focal")
_SHARED = frozenset(Training.model_fields)  # settings that `training` sets for all networks
# An algorithm's default rate is for adamw; with that rate these optimizers would learn too slowly, or diverge.
_OPTIMIZER_LEARNING_RATES: Mapping[str, float] = {
    "gd": 0.3,
    "normalized_gd": 0.1,
    "sgd": 0.1,
    "momentum": 0.02,
    "nesterov": 0.02,
    "adagrad": 0.02,
    "adadelta": 1.0,
    "muon": 0.01,
}


def settings_of(case: Case) -> Settings:
    """Return the complete settings of a candidate: the algorithm's defaults for this data, and what the spec sets.

    Raises:
        InvalidJobSpecError: The algorithm has no such setting, or the setting cannot have the value.
    """
    algorithm, spec, where = case.declared, case.spec, f"settings.{case.declared.name}"
    settings = algorithm.settings_for(rows=case.rows, classes=case.classes, task=case.dataset.task)
    stated = {
        name: validate_setting(where, name, value, algorithm)
        for name, value in spec.settings.get(algorithm.name, {}).items()
    }
    training = spec.training
    if algorithm.is_network and (shared := {name: value for name, value in stated.items() if name in _SHARED}):
        training = merge_training(training, shared, where)
        check_training(training, case.dataset, where)
        stated = {name: value for name, value in stated.items() if name not in shared}
    overrides = {**_settings_of_all(case, training), **stated}
    settings |= {name: value for name, value in overrides.items() if name in settings}
    for name in overrides:
        if name in settings and (problem := algorithm.value_error(name, settings[name])):
            raise InvalidJobSpecError(f"training.{name} of {algorithm.name}: {problem}")
    if algorithm.has_user_code:
        settings["code"] = json.dumps(spec.code)
    return settings


def _settings_of_all(case: Case, training: Training) -> Settings:
    """Return the settings that fields of the spec set for every algorithm that has them."""
    is_network = case.declared.is_network
    settings = _network_settings(training, rows=case.rows) if is_network else {}
    if is_network and (rate := _OPTIMIZER_LEARNING_RATES.get(training.optimizer or "")):
        settings = {"learning_rate": rate, **settings}
    if case.spec.clusters is not None:
        settings["clusters"] = case.spec.clusters
    return settings


def _network_settings(training: Training, *, rows: int) -> Settings:
    """Return the settings of ``training`` as fields of a NetworkConfig."""
    settings = training.hyperparameters
    if training.privacy:
        settings |= {
            "privacy_epsilon": training.privacy.epsilon,
            "privacy_delta": training.privacy.delta_for(rows),
            "privacy_norm": training.privacy.max_gradient_norm,
        }
    if training.parallel.nodes > 1:
        settings["parallel"] = training.parallel.strategy
    if training.base_model:
        settings |= {"base_model": training.base_model, "freeze": training.freeze}
    return settings


def unused_notes(spec: JobSpec, planned: Sequence[AlgorithmSpec]) -> tuple[str, ...]:
    """Return a note for each setting of the spec without effect.

    These are settings of ``training`` that a named algorithm, or every planned algorithm, does not have; and
    ``settings`` of algorithms that are not planned.
    """
    names = {algorithm.name for algorithm in planned}
    notes = []
    for setting in spec.training.hyperparameters:
        without = [algorithm.name for algorithm in planned if not algorithm.is_network]
        if without and (spec.algorithms or len(without) == len(planned)):
            notes.append(
                f"training.{setting} is not read by {', '.join(without)}: put settings of one algorithm under settings"
            )
    return (*notes, *(f"settings.{name}: it is not tried here" for name in spec.settings if name not in names))


def deprecated_notes(spec: JobSpec) -> tuple[str, ...]:
    """Return notes on fields of the spec that have no effect any more, or have a new name."""
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
    """Check the training section against the data set.

    Raises:
        InvalidJobSpecError: A setting is for another task, or for classes or images that the data set does not have.
    """
    task = dataset.task
    if dataset.targets:
        _check_several_targets(training, where)
    if training.loss and (training.loss in _CLASSIFICATION_LOSSES) != (task == "classification"):
        fitting = [
            loss for loss in get_args(LossName) if (loss in _CLASSIFICATION_LOSSES) == (task == "classification")
        ]
        raise InvalidJobSpecError(
            f"{where}.loss '{training.loss}' is not for {task}: one of {', '.join(fitting)} is expected"
        )
    if training.quantiles and task != "regression":
        raise InvalidJobSpecError(f"{where}.quantiles are for a regression, and this is a {task}")
    if training.privacy and training.schedule == "plateau":
        raise InvalidJobSpecError(
            f"{where}.schedule 'plateau' follows exact losses of the validation rows, which training.privacy does not "
            "allow: another schedule is expected"
        )
    if training.mixup and all(column.kind != "image" for column in dataset.columns):
        raise InvalidJobSpecError(f"{where}.mixup mixes images, and there are none")
    _check_class_weights(training, dataset)


def _check_several_targets(training: Training, where: str) -> None:
    """Raise InvalidJobSpecError for settings that do not support several targets."""
    unsupported = {"quantiles": training.quantiles or training.loss == "quantile", "base_model": training.base_model}
    for name, value in unsupported.items():
        if value:
            raise InvalidJobSpecError(f"{where}.{name} is for one target, and several are learned: leave it out")


def _check_class_weights(training: Training, dataset: Dataset) -> None:
    if training.class_weights is None:
        return
    if dataset.task != "classification":
        raise InvalidJobSpecError(f"training.class_weights are for a classification, and this is a {dataset.task}")
    if training.class_weights == "balanced":
        return
    for label in training.class_weights:
        if label in dataset.classes:
            continue
        hint = "quote what YAML reads as true or false: 'yes'" if label in ("true", "false") else ""
        raise InvalidJobSpecError(
            f"training.class_weights: there is no class '{label}': {hint or did_you_mean(label, dataset.classes)} "
            "(classes with too few rows are set aside)"
        )


def find_hyperparameter(where: str, name: str, algorithm: AlgorithmSpec) -> Hyperparameter:
    """Return the hyper-parameter that ``settings`` or ``search.space`` names.

    Raises:
        InvalidJobSpecError: The algorithm has no hyper-parameter of this name, or another field of train.yaml sets it.
    """
    field = algorithm.hyperparameter(name)
    if field is None:
        raise InvalidJobSpecError(f"{where}: there is no setting '{name}': {did_you_mean(name, algorithm.defaults)}")
    if field.set_by:
        raise InvalidJobSpecError(f"{where}.{name}: {field.set_by} sets it for every algorithm")
    return field


def validate_setting(where: str, name: str, value: Setting, algorithm: AlgorithmSpec) -> Setting:
    """Return ``value`` converted to the hyper-parameter's type.

    Raises:
        InvalidJobSpecError: As for find_hyperparameter, or the hyper-parameter cannot have the value.
    """
    field = find_hyperparameter(where, name, algorithm)
    value = field.read(value)
    if value is None and algorithm.is_network and name in _SHARED:
        return value  # the plan chooses
    if problem := field.value_error(value):
        raise InvalidJobSpecError(f"{where}.{name}: {problem}")
    return value
