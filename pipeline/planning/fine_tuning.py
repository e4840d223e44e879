"""Plan the fine-tuning of a registered network: same columns and vocabularies, same architecture."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.base_model import Base
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, Dropped
from pipeline.contracts.records.plan import Candidate, Plan
from pipeline.contracts.spec.job_spec import JobSpec, Training

__all__ = ["align_columns_to_base", "plan_with_base", "restrict_to_base_algorithm"]

_NUMBERS = {"numeric", "boolean"}
_WITHOUT_BASE = {"base_model": "", "freeze": False}
# Settings of the training, which may differ from the base model's. The others define the architecture of its weights.
_LEARNING = frozenset(Training.model_fields) - {"hidden"} | {"privacy_epsilon", "privacy_delta", "privacy_norm"}


def align_columns_to_base(dataset: Dataset, base: Base) -> Dataset:
    """Return the data set with the columns of ``base``, in its order and with its vocabularies; drop other columns.

    Raises:
        InvalidJobSpecError: The task differs, or a column is missing or has another kind or shape.
    """
    if dataset.task != base.task:
        raise InvalidJobSpecError(
            f"training.base_model: {base.version} is a {base.task}, and this data set is a {dataset.task}: the same "
            "task is expected"
        )
    column_by_name = {column.name: column for column in dataset.columns}
    columns = tuple(_as_read(column_by_name.get(column.name), column, dataset, base) for column in base.columns)
    read = {column.name for column in columns}
    spare = tuple(
        Dropped(name=name, reason=f"the base model {base.version} does not read it")
        for name in column_by_name
        if name not in read
    )
    unknown = tuple(
        f"column '{column.name}': {count:,} values are unknown to the base model {base.version}"
        for column in columns
        if (count := len(set(column_by_name[column.name].vocabulary) - set(column.vocabulary)))
    )
    coarse = tuple(
        f"column '{column.name}': the base model {base.version} reads it as float32, which is coarser than its values"
        for column in columns
        if column_by_name[column.name].is_wide and not column.is_wide
    )
    return dataset.model_copy(
        update={
            "columns": columns,
            "left_out": (*dataset.left_out, *spare),
            "warnings": (*dataset.warnings, *unknown, *coarse),
        }
    )


def restrict_to_base_algorithm(spec: JobSpec, base: Base) -> JobSpec:
    """Return the spec with the base model's algorithm as the only named one, unless the spec names algorithms.

    A named algorithm is tried however few rows there are.
    """
    return spec if spec.algorithms else spec.model_copy(update={"algorithms": (base.algorithm,)})


def plan_with_base(plan: Plan, base: Base) -> Plan:
    """Give the network's candidate the architecture and weights of ``base``; other candidates do not use it.

    Raises:
        InvalidJobSpecError: The base model is a user's code, or its network is not among the candidates.
    """
    if catalog()[base.algorithm].has_user_code:
        raise InvalidJobSpecError(
            f"training.base_model: {base.version} is a model.py, whose network is its own code: a network of the "
            "catalog is expected"
        )
    algorithms = {candidate.algorithm for candidate in plan.candidates}
    if not catalog()[base.algorithm].is_network or base.algorithm not in algorithms:
        raise InvalidJobSpecError(
            f"training.base_model: {base.version} is a {base.algorithm}, no such network is trained here "
            f"({', '.join(sorted(algorithms))}): algorithms with it, or none, are expected"
        )
    candidates = tuple(
        _of_base(candidate, base) if candidate.algorithm == base.algorithm else _without_base(candidate)
        for candidate in plan.candidates
    )
    return plan.model_copy(update={"candidates": candidates, "base": base})


def _of_base(candidate: Candidate, base: Base) -> Candidate:
    built = {name: value for name, value in base.settings.items() if name not in _LEARNING}
    settings = candidate.settings | {name: value for name, value in built.items() if name in candidate.settings}
    settings["base_model"] = base.version
    trials = candidate.trials
    if trials is not None:
        space = {name: values for name, values in trials.space.items() if name not in built}
        trials = trials.model_copy(update={"space": space}) if space else None
    reason = f"fine-tuned from {base.version}"
    return candidate.model_copy(update={"settings": settings, "trials": trials, "reason": reason})


def _without_base(candidate: Candidate) -> Candidate:
    without = {name: value for name, value in _WITHOUT_BASE.items() if name in candidate.settings}
    return candidate.model_copy(update={"settings": candidate.settings | without})


def _as_read(own_column: ColumnProfile | None, column: ColumnProfile, dataset: Dataset, base: Base) -> ColumnProfile:
    where = f"training.base_model: {base.version} reads the column '{column.name}'"
    if own_column is None:
        why = next(
            (left_out.reason for left_out in dataset.left_out if left_out.name == column.name), "it is not there"
        )
        raise InvalidJobSpecError(f"{where}, which this data set does not have ({why}): the same columns are expected")
    if (
        own_column.kind != column.kind and {own_column.kind, column.kind} != _NUMBERS
    ) or own_column.shape != column.shape:
        raise InvalidJobSpecError(
            f"{where} as {column.kind}, and here it is {own_column.kind}: the same kinds and shapes are expected"
        )
    return own_column.model_copy(update=_reading(column))


def _reading(column: ColumnProfile) -> dict[str, Any]:
    """Return the fields that the base model's weights depend on: category ids, date parts, and centers of values."""
    reading: dict[str, Any] = {"vocabulary": column.vocabulary, "is_wide": column.is_wide}
    if column.is_wide or column.kind == "datetime":
        reading |= {"median": column.median, "parts": column.parts}
    return reading
