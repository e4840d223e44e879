"""Resolve and check the columns that train.yaml names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.contracts.errors import InvalidJobSpecError, InvalidTargetError
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.columns.names import NamedColumns, suggest

__all__ = ["check_columns", "resolve_columns"]


def resolve_columns(spec: JobSpec, names: NamedColumns) -> JobSpec:
    """Replace the header's spellings in the spec with the final names of the columns."""
    spelled = {alias: name for name, aliases in names.aliases.items() for alias in aliases}

    def resolve(column: str) -> str:
        if column in names.names:
            return column
        return spelled.get(column) or spelled.get(column.strip()) or column.strip()

    return spec.model_copy(
        update={
            **_resolve_targets(spec, names, resolve),
            "weight": spec.weight and resolve(spec.weight),
            "drop": tuple(map(resolve, spec.drop)),
            "segments": tuple(map(resolve, spec.segments)),
            "split": spec.split.model_copy(update={"column": spec.split.column and resolve(spec.split.column)}),
        }
    )


def _resolve_targets(spec: JobSpec, names: NamedColumns, resolve: Callable[[str], str]) -> dict[str, object]:
    """Return the fields ``target`` and ``targets``: ``a, b`` means two columns unless a column has this name."""
    target = spec.target and resolve(spec.target)
    targets = tuple(map(resolve, spec.targets))
    if target and target not in names.names and "," in target:
        listed = tuple(resolve(name.strip()) for name in target.split(",") if name.strip())
        if len(listed) > 1 and all(name in names.names for name in listed):
            return {"target": None, "targets": listed}
    return {"target": target, "targets": targets}


def check_columns(spec: JobSpec, names: list[str], targets: Sequence[str]) -> None:
    """Check that the columns of the spec exist, and that their roles do not exclude each other.

    Raises:
        InvalidTargetError: One of several targets does not exist.
        InvalidJobSpecError: Another column does not exist; a target has another role, too; or the column of the weights
            also splits the rows.
    """
    for name in spec.targets:
        if name not in names:
            raise InvalidTargetError(f"there is no target column '{name}': {suggest(name, names)}")
    named = [("drop", name) for name in spec.drop]
    named += [("split.column", spec.split.column)] if spec.split.column else []
    named += [("weight", spec.weight)] if spec.weight else []
    named += [("segments", name) for name in spec.segments]
    for field, name in named:
        if name not in names:
            raise InvalidJobSpecError(f"train.yaml: {field}: there is no column '{name}': {suggest(name, names)}")
        if name in targets:
            raise InvalidJobSpecError(f"train.yaml: {field}: column '{name}' is the target, which must be kept")
    if spec.weight is not None and spec.weight == spec.split.column:
        raise InvalidJobSpecError(
            f"train.yaml: weight: column '{spec.weight}' is also split.column: two columns are expected"
        )
