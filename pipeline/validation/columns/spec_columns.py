"""Columns that train.yaml names: under their final names, and whether they are there."""

from __future__ import annotations

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.columns.names import NamedColumns, suggest

__all__ = ["check_columns", "resolve_columns"]


def resolve_columns(spec: JobSpec, names: NamedColumns) -> JobSpec:
    """Call columns by their final names where the spec has the header's own spelling."""
    spelled = {alias: name for name, aliases in names.aliases.items() for alias in aliases}

    def resolve(column: str) -> str:
        if column in names.names:
            return column
        return spelled.get(column) or spelled.get(column.strip()) or column.strip()

    return spec.model_copy(
        update={
            "target": spec.target and resolve(spec.target),
            "weight": spec.weight and resolve(spec.weight),
            "drop": tuple(map(resolve, spec.drop)),
            "segments": tuple(map(resolve, spec.segments)),
            "split": spec.split.model_copy(update={"column": spec.split.column and resolve(spec.split.column)}),
        }
    )


def check_columns(spec: JobSpec, names: list[str], target: str) -> None:
    """Raise InvalidJobSpecError when a column that the spec names is not there, or is the target and may not be."""
    named = [("drop", name) for name in spec.drop]
    named += [("split.column", spec.split.column)] if spec.split.column else []
    named += [("weight", spec.weight)] if spec.weight else []
    named += [("segments", name) for name in spec.segments]
    for field, name in named:
        if name not in names:
            raise InvalidJobSpecError(f"train.yaml: {field}: there is no column '{name}': {suggest(name, names)}")
        if name == target:
            raise InvalidJobSpecError(f"train.yaml: {field}: column '{name}' is the target, which must stay")
    if spec.weight is not None and spec.weight == spec.split.column:
        raise InvalidJobSpecError(f"train.yaml: weight: column '{spec.weight}' is split.column too: two are expected")
