"""Columns that are more, or other, than features: the rows' weights, and the times or groups that split them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.dataset import LeftOut
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.job_spec import JobSpec
from pipeline.validation.columns.times import times_of
from pipeline.validation.columns.type_inference import trimmed
from pipeline.validation.columns.weights import read_weights

__all__ = ["Roles", "needed_values"]

_GROUP_REASON = "it says which rows belong together (split.column)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    """``weight``: none or one. ``times``, ``groups``: what splits the rows, if not chance. All without nulls."""

    weight: tuple[pl.Series, ...] = ()
    times: pl.Series | None = None
    groups: pl.Series | None = None
    no_features: frozenset[str] = frozenset()
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def of(cls, raw: pl.DataFrame, spec: JobSpec, *, decimal_comma: bool) -> Roles:
        weight = (read_weights(raw[spec.weight], decimal_comma=decimal_comma),) if spec.weight else ()
        no_features = {spec.weight} if spec.weight else set()
        name = spec.split.column
        if name is None:
            return cls(weight=weight, no_features=frozenset(no_features))
        if spec.split.by == "time":
            return cls(weight=weight, times=_times(raw[name]), no_features=frozenset(no_features))
        return cls(
            weight=weight,
            groups=_groups(raw[name]),
            no_features=frozenset({*no_features, name}),
            left_out=() if name in spec.drop else (LeftOut(name=name, reason=_GROUP_REASON),),
        )


def needed_values(raw: pl.DataFrame, spec: JobSpec, *, decimal_comma: bool) -> Iterator[tuple[pl.Series, str]]:
    """The columns that no row may lack a value of, null where one does, and what is then said of it."""
    if spec.weight is not None:
        weights = read_weights(raw[spec.weight], decimal_comma=decimal_comma)
        yield weights, f"no positive weight in the column '{spec.weight}'"
    if (name := spec.split.column) is not None:
        by_time = spec.split.by == "time"
        values = _times(raw[name]) if by_time else _groups(raw[name])
        yield values, f"no {spec.split.by} in the column '{name}', by which the rows are split"


def _times(raw: pl.Series) -> pl.Series:
    times = times_of(trimmed(raw))
    if times is None:
        raise InvalidJobSpecError(
            f"train.yaml: split.column: the values of '{raw.name}' are not times: dates, times or numbers that grow "
            "with time are expected"
        )
    return times


def _groups(raw: pl.Series) -> pl.Series:
    column = trimmed(raw)
    if column.dtype.is_nested():
        raise InvalidJobSpecError(
            f"train.yaml: split.column: '{raw.name}' holds arrays or objects: one value a row that names its group is "
            "expected"
        )
    return column.cast(pl.String)
