"""Pruning of input columns: the graph no longer reads columns that hardly change its predictions.

Requires  a table of several columns, and training rows.
Does      replaces the values of a column by a typical value, for as many columns as hardly change the predictions.
Ensures   the predictions do not depend on these columns.

The importance of a column is the change of the predictions when a constant replaces it, a form of feature ablation. The
least important columns are pruned first, and the change by all pruned columns is measured again with each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.input_columns import InputColumn
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.compose import join
from pipeline.graphs.encoding import NUM
from pipeline.graphs.writer import NamedGraph

__all__ = ["PruneColumns"]

_MAX_ROWS = 512

Array = npt.NDArray[Any]


class PruneColumns(GraphPass):
    """Prune columns while the mean change of the predictions is at most ``max_change``.

    The change is that of a probability, or of a value in standard deviations of the predicted values.
    """

    def __init__(self, context: PassContext, *, max_change: float) -> None:
        self._context = context
        self._max_change = max_change
        self._pruned: tuple[InputColumn, ...] = ()

    @property
    def pruned_columns(self) -> tuple[str, ...]:
        """Columns that are pruned."""
        return tuple(column.name for column in self._pruned)

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that there are columns to choose from.

        Raises:
            NotApplicableError: There are no rows, or fewer than two columns.
        """
        if len(self._columns(model)) < 2:
            raise NotApplicableError("there are no two columns of numbers, dates or categories")
        if not len(self._context.rows):
            raise NotApplicableError("there are no training rows to measure columns on")

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Replace unimportant columns by constants.

        Raises:
            NotApplicableError: Each column changes the predictions.
        """
        rows = self._context.rows.sample(_MAX_ROWS, self._context.seed)
        self._pruned = self._choose(model, rows)
        if not self._pruned:
            raise NotApplicableError("each column changes the predictions")
        return _replace_columns(model, self._pruned, rows)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check the predictions for rows whose pruned columns are shuffled.

        Raises:
            CompressionError: A pruned column still changes a prediction.
        """
        rows = self._context.rows.sample(_MAX_ROWS, self._context.seed)
        shuffled = _fill(rows, self._pruned, [values[::-1] for values in _values(rows, self._pruned)])
        file = model.SerializeToString()
        if not np.array_equal(predict(file, rows), predict(file, shuffled), equal_nan=True):
            raise CompressionError("a column that was pruned changes the predictions")

    def _columns(self, model: onnx.ModelProto) -> list[InputColumn]:
        read = {value.name for value in model.graph.input}
        return [column for column in self._context.columns if column.input in read]

    def _choose(self, model: onnx.ModelProto, rows: TrainingRows) -> tuple[InputColumn, ...]:
        """Choose columns, the least important first, until the predictions change too much."""
        file, columns = model.SerializeToString(), self._columns(model)
        expected = predict(file, rows)
        spread = 1.0 if rows.classes else max(float(np.nanstd(expected)), 1e-12)

        def change(pruned: Sequence[InputColumn]) -> float:
            typical = [_typical(values, column) for values, column in zip(_values(rows, pruned), pruned, strict=True)]
            return float(np.nanmean(np.abs(predict(file, _fill(rows, pruned, typical)) - expected))) / spread

        importance = {column.name: change([column]) for column in columns}
        chosen: list[InputColumn] = []
        for column in sorted(columns, key=lambda column: importance[column.name]):
            if importance[column.name] > self._max_change:
                break
            width = sum(sibling.input == column.input for sibling in columns)
            is_last = sum(pruned.input == column.input for pruned in chosen) == width - 1
            if not is_last and change([*chosen, column]) <= self._max_change:
                chosen.append(column)
        return tuple(chosen)


def _values(rows: TrainingRows, columns: Sequence[InputColumn]) -> list[Array]:
    """Return the values of each column [rows, entries]."""
    return [rows.inputs[column.input][:, list(column.indices)] for column in columns]


def _typical(values: Array, column: InputColumn) -> Array:
    """Return the typical value of a column [entries]: medians, or the most frequent category."""
    if column.input == NUM:
        finite = [row[np.isfinite(row)] for row in values.T]
        medians = [np.median(row) if len(row) else np.nan for row in finite]
        return np.array(medians, values.dtype)
    numbers, counts = np.unique(values, return_counts=True)
    return np.array([numbers[counts.argmax()]], values.dtype)


def _fill(rows: TrainingRows, columns: Sequence[InputColumn], contents: Sequence[Array]) -> TrainingRows:
    """Return the rows with other values of some columns."""
    inputs = dict(rows.inputs)
    for column, content in zip(columns, contents, strict=True):
        values = inputs[column.input].copy()
        values[:, list(column.indices)] = content
        inputs[column.input] = values
    return TrainingRows(inputs=inputs, target=rows.target, classes=rows.classes)


def _replace_columns(body: onnx.ModelProto, columns: Sequence[InputColumn], rows: TrainingRows) -> onnx.ModelProto:
    """Return the body with typical values in place of the columns."""
    graph, outputs = NamedGraph(), []
    for value in body.graph.input:
        replaced = f"{value.name}_replaced"
        outputs.append(helper.make_tensor_value_info(replaced, value.type.tensor_type.elem_type, None))
        pruned = [column for column in columns if column.input == value.name]
        if not pruned:
            graph.add("Identity", value.name, name=replaced)
            continue
        width = rows.inputs[value.name].shape[1]
        mask, typical = np.zeros((1, width), bool), np.zeros((1, width), rows.inputs[value.name].dtype)
        for column, values in zip(pruned, _values(rows, pruned), strict=True):
            mask[0, list(column.indices)] = True
            typical[0, list(column.indices)] = _typical(values, column)
        names = graph.constant(f"{value.name}_mask", mask), graph.constant(f"{value.name}_typical", typical)
        graph.add("Where", *names, value.name, name=replaced)
    return join(graph.model("replace", list(body.graph.input), outputs), body, prefix="replaced/")
