"""Plan the search that a spec requests, as Trials of a candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.contracts.algorithms.hyperparameter import Hyperparameter, Range, Setting, Space
from pipeline.contracts.algorithms.spec import AlgorithmSpec
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.plan import Trials
from pipeline.contracts.signature import Task
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.suggestions import did_you_mean
from pipeline.planning.settings import find_hyperparameter, validate_setting

__all__ = ["check_search", "notes_of", "trials_of"]

_MAX_GRID_POINTS = 1000
_GRID_STEPS_PER_RANGE = 3  # both ends and the middle


def check_search(spec: JobSpec, planned: list[AlgorithmSpec], task: Task) -> None:
    """Check that a search can be made.

    Raises:
        InvalidJobSpecError: The search cannot be made, or names an algorithm that is not tried.
    """
    if spec.search.method != "none" and task == "clustering":
        raise InvalidJobSpecError(
            "search is for classification and regression: for a clustering, the silhouette chooses the number of "
            "clusters, or clusters sets it"
        )
    if spec.search.method != "none" and spec.training.privacy:
        raise InvalidJobSpecError(
            "search and training.privacy exclude each other: each trial would spend the whole epsilon"
        )
    names = [algorithm.name for algorithm in planned]
    for name in spec.search.space or {}:
        if name not in names:
            raise InvalidJobSpecError(f"search.space: {name} is not tried here: {did_you_mean(name, names)}")


def trials_of(declared: AlgorithmSpec, spec: JobSpec, task: Task) -> Trials | None:
    """Return the search of the algorithm's settings; None if nothing is searched.

    Raises:
        InvalidJobSpecError: The algorithm has no such setting, or its values are of a wrong type.
    """
    search = spec.search
    stated_space = (search.space or {}).get(declared.name)
    if search.method == "none" or (search.space is not None and stated_space is None):
        return None
    space = stated_space if stated_space is not None else _default_space(declared, spec, task)
    if not space:
        return None
    for name in space:
        if name in spec.settings.get(declared.name, {}):
            raise InvalidJobSpecError(f"search.space.{declared.name}.{name}: settings already sets its value")
    if declared.queue == "gpu" and spec.training.parallel.nodes > 1:
        raise InvalidJobSpecError(
            f"search and training.parallel.nodes: {declared.name} is searched on one machine, or trained by several"
        )
    space = {name: _checked(declared, name, among, task) for name, among in space.items()}
    if search.method == "grid" and (count := _size(space)) > _MAX_GRID_POINTS:
        raise InvalidJobSpecError(
            f"search.space.{declared.name}: a grid of {count:,} settings: at most {_MAX_GRID_POINTS:,} are expected; "
            "use fewer values, or the method random, halving or bayesian"
        )
    cv = search.cv if spec.split.by != "time" else None
    return Trials(method=search.method, space=space, trials=search.trials, cv=cv)


def notes_of(spec: JobSpec, trials: Sequence[Trials | None]) -> tuple[str, ...]:
    """Return notes on differences between the planned and the requested search."""
    if spec.split.by != "time" or spec.search.cv is None or not any(trials):
        return ()
    return ("search.cv permutes the rows, which a split by time forbids: settings are compared on the validation rows",)


def _default_space(declared: AlgorithmSpec, spec: JobSpec, task: Task) -> Space:
    """Return the algorithm's default space, without settings that the spec sets or that do not affect the task."""
    fixed = {**(spec.training.hyperparameters if declared.is_network else {}), **spec.settings.get(declared.name, {})}
    return {
        field.name: field.search
        for field in declared.hyperparameters
        if field.search is not None and field.name not in fixed and field.task in (None, task)
    }


def _checked(
    declared: AlgorithmSpec, name: str, among: Range | tuple[Setting, ...], task: Task
) -> Range | tuple[Setting, ...]:
    """Check the values or the range of a searched setting; the range of an integer setting is made one of integers."""
    where = f"search.space.{declared.name}"
    field = find_hyperparameter(where, name, declared)
    if field.task not in (None, task):
        raise InvalidJobSpecError(f"{where}.{name}: it matters only to {field.task}")
    if not isinstance(among, Range):
        return tuple(validate_setting(where, name, value, declared) for value in among)
    _check_range(f"{where}.{name}", among, field)
    return among.model_copy(update={"whole": True}) if "integer" in field.kinds else among


def _check_range(where: str, among: Range, field: Hyperparameter) -> None:
    if not field.is_numeric:
        raise InvalidJobSpecError(f"{where}: only numbers have a range: a list is expected, each {field.expected}")
    if among.low >= among.high:
        raise InvalidJobSpecError(f"{where}: low is {among.low:g} and high {among.high:g}: low < high is expected")
    if among.log and among.low <= 0:
        raise InvalidJobSpecError(f"{where}: a range with log starts above 0, and low is {among.low:g}")
    for bound in (among.low, among.high):
        if problem := field.value_error(field.read(bound)):
            raise InvalidJobSpecError(f"{where}: {problem}")


def _size(space: Space) -> int:
    return math.prod(_GRID_STEPS_PER_RANGE if isinstance(among, Range) else len(among) for among in space.values())
