"""Numeric features of dates, from seconds since 1970 UTC: the same arithmetic in numpy and as a graph.

The calendar is Howard Hinnant's civil_from_days (https://howardhinnant.github.io/date_algorithms.html), in doubles,
which represent all of its integers exactly, also before 1970.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pipeline.contracts.records.dataset import ColumnProfile, DatePart
from pipeline.graphs.writer import GraphWriter
from pipeline.parsing.dates import SECONDS_A_DAY

__all__ = ["date_feature_names", "date_features", "date_graph"]

Doubles = npt.NDArray[np.float64]

_PART_FUNCTIONS: dict[DatePart, tuple[str, ...]] = {
    "trend": ("trend",),  # days since the training rows' median
    "year": ("year",),
    "month": ("month",),
    "day": ("day",),
    "weekday": ("weekday",),  # Monday is 0
    "hour": ("hour",),
    "season": ("season_sine", "season_cosine"),
    "clock": ("clock_sine", "clock_cosine"),
}
_ALL = tuple(name for names in _PART_FUNCTIONS.values() for name in names)


def date_feature_names(column: ColumnProfile) -> tuple[str, ...]:
    """Return the names of the numeric features of a datetime column."""
    return tuple(name for date_part in column.parts for name in _PART_FUNCTIONS[date_part])


def date_features(seconds: Sequence[Doubles], columns: Sequence[ColumnProfile]) -> npt.NDArray[np.float32]:
    """Return the features [rows, features of all columns] of seconds [rows] per column; NaN for a missing date."""
    features = _numbers(np.stack(seconds), _medians(columns), floor=np.floor, sine=np.sin)
    return np.concatenate([features[name] for name in _ALL]).astype(np.float32)[_column_indices(columns)].T


def date_graph(columns: Sequence[ColumnProfile], output: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Make the nodes and constants from the columns' inputs, double [batch], to ``output``, float [batch, features].

    All names begin with ``output``.
    """
    graph = GraphWriter(prefix=f"{output}_")
    rows = graph.add("Concat", *(column.name for column in columns), axis=0)
    stacked = graph.add("Reshape", rows, graph.constant(np.array([len(columns), -1], np.int64)))
    features = _numbers(
        _Value(graph, stacked), _Value(graph, graph.constant(_medians(columns))), floor=_Value.floor, sine=_Value.sine
    )
    together = graph.add("Concat", *(features[name].name for name in _ALL), axis=0)
    chosen = graph.add("Gather", together, graph.constant(_column_indices(columns)), axis=0)
    turned = graph.add("Transpose", chosen, perm=[1, 0])
    graph.nodes.append(helper.make_node("Cast", [turned], [output], to=TensorProto.FLOAT))
    return graph.nodes, list(graph.constants.values())


def _medians(columns: Sequence[ColumnProfile]) -> Doubles:
    return np.array([[column.median or 0.0] for column in columns])


def _column_indices(columns: Sequence[ColumnProfile]) -> npt.NDArray[np.int64]:
    """Return the indices of each column's features among all features, which are ordered by feature, then column."""
    indices = [
        _ALL.index(name) * len(columns) + position
        for position, column in enumerate(columns)
        for name in date_feature_names(column)
    ]
    return np.array(indices, np.int64)


def _numbers(seconds: Any, median: Any, *, floor: Callable[[Any], Any], sine: Callable[[Any], Any]) -> dict[str, Any]:
    """Compute the features of dates, on arrays or on ``_Value`` objects, which have the same operators."""
    days = floor(seconds / SECONDS_A_DAY)
    second = seconds - days * SECONDS_A_DAY
    shifted = days + 719_468  # days since 0000-03-01, so that a leap day is the last day of its year
    era = floor(shifted / 146_097)
    day_of_era = shifted - era * 146_097
    leap_days = floor(day_of_era / 1_460) - floor(day_of_era / 36_524) + floor(day_of_era / 146_096)
    year_of_era = floor((day_of_era - leap_days) / 365)
    day_of_year = day_of_era - (year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100))
    month = floor((day_of_year * 5 + 2) / 153)  # March is 0
    wrapped = floor(month / 10)  # 1 in January and February, which here belong to the previous year
    season, clock = day_of_year * (math.tau / 365.25), second * (math.tau / SECONDS_A_DAY)
    return {
        "trend": (seconds - median) / SECONDS_A_DAY,
        "year": year_of_era + era * 400 + wrapped,
        "month": month + 3 - wrapped * 12,
        "day": day_of_year - floor((month * 153 + 2) / 5) + 1,
        "weekday": days + 3 - floor((days + 3) / 7) * 7,
        "hour": floor(second / 3_600),
        "season_sine": sine(season),
        "season_cosine": sine(season + math.pi / 2),
        "clock_sine": sine(clock),
        "clock_cosine": sine(clock + math.pi / 2),
    }


@dataclass(frozen=True, slots=True)
class _Value:
    """A double tensor of the graph; its arithmetic appends nodes."""

    graph: GraphWriter
    name: str

    def __add__(self, operand: _Value | float) -> _Value:
        return self._with("Add", operand)

    def __sub__(self, operand: _Value | float) -> _Value:
        return self._with("Sub", operand)

    def __mul__(self, operand: _Value | float) -> _Value:
        return self._with("Mul", operand)

    def __truediv__(self, operand: _Value | float) -> _Value:
        return self._with("Div", operand)

    def floor(self) -> _Value:
        return _Value(self.graph, self.graph.add("Floor", self.name))

    def sine(self) -> _Value:
        return _Value(self.graph, self.graph.add("Sin", self.name))

    def _with(self, operator: str, operand: _Value | float) -> _Value:
        right = operand.name if isinstance(operand, _Value) else self.graph.constant(np.array(operand, np.float64))
        return _Value(self.graph, self.graph.add(operator, self.name, right))
