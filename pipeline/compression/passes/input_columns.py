"""Columns of a table, and their indices in the inputs of a body."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from pipeline.contracts.records.dataset import Dataset
from pipeline.graphs.compose import join
from pipeline.graphs.dates import date_feature_names
from pipeline.graphs.encoding import CAT, NUM, Encoding
from pipeline.graphs.writer import NamedGraph

__all__ = ["InputColumn", "list_input_columns", "narrow_inputs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InputColumn:
    """A column of a table.

    Attributes:
        name: Name in the user's file.
        input: ``num`` or ``cat`` (graphs.encoding).
        indices: Its indices along the last axis of that input; a date has several.
    """

    name: str
    input: str
    indices: tuple[int, ...]


def list_input_columns(dataset: Dataset) -> tuple[InputColumn, ...]:
    """Return the columns of numbers, dates and categories, in the order of the body's inputs."""
    encoding = Encoding.of(dataset)
    columns = [InputColumn(name=column.name, input=NUM, indices=(i,)) for i, column in enumerate(encoding.numeric)]
    start = len(encoding.numeric)
    for column in encoding.dates:
        width = len(date_feature_names(column))
        columns.append(InputColumn(name=column.name, input=NUM, indices=tuple(range(start, start + width))))
        start += width
    columns += [InputColumn(name=column.name, input=CAT, indices=(i,)) for i, column in enumerate(encoding.categorical)]
    return tuple(columns)


def narrow_inputs(body: onnx.ModelProto, columns: Collection[InputColumn], pruned: Collection[str]) -> onnx.ModelProto:
    """Return a body whose inputs lack the ``pruned`` columns.

    Their entries are filled with values of another column; PruneColumns has made the body ignore them.

    Args:
        body: A body that reads all columns.
        columns: Columns of the body.
        pruned: Names of columns to remove; at least one column of each input must remain.
    """
    graph, inputs, outputs = NamedGraph(), [], []
    for value in body.graph.input:
        width = sum(len(column.indices) for column in columns if column.input == value.name)
        lost = [i for column in columns if column.input == value.name and column.name in pruned for i in column.indices]
        element, complete = value.type.tensor_type.elem_type, f"{value.name}_all"
        outputs.append(helper.make_tensor_value_info(complete, element, None))
        if not lost:
            inputs.append(value)
            graph.add("Identity", value.name, name=complete)
            continue
        remaining = np.setdiff1d(np.arange(width), lost)
        order = np.zeros(width, np.int64)
        order[remaining] = np.arange(len(remaining))
        inputs.append(helper.make_tensor_value_info(value.name, element, ["batch", len(remaining)]))
        graph.add("Gather", value.name, graph.constant(f"{value.name}_order", order), name=complete, axis=1)
    return join(graph.model("narrow", inputs, outputs), body, prefix="narrowed/")
