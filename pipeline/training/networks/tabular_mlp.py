"""The multilayer perceptron for tables, with embeddings of numbers and categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.graphs.writer import GraphWriter, Value
from pipeline.training.networks.graph_layers import LayerWriter

__all__ = ["TabularMLP"]

_MAX_TOTAL_PIECES = 1024  # bound of columns x pieces, which lowers ``pieces`` if there are many columns
_CLIP = 4.0  # numbers are clipped to this many standard deviations around the mean
_MAX_SLOPE = 1e30  # maximum slope of a piece, so that its product with float32 differences in use stays finite

Column = npt.NDArray[np.float64]


class TabularMLP(nn.Module):
    """A multilayer perceptron over numbers and embeddings of categories.

    A number has two encodings: standardized, and piecewise linear (for each piece of the column's range, the fraction
    of the piece that lies below the number), so that one layer can be nonlinear in the number. A missing number becomes
    the median and a flag. All encodings are in [-1, 1], so that one int8 scale fits them.

    Args:
        num: Numbers of the training rows [rows, columns], which the columns' ranges are computed from.
        cardinalities: Number of ids of each categorical column.
        outputs: Number of outputs.
        hidden: Units of each hidden layer.
        dropout: Probability that a hidden unit is dropped in training.
        pieces: Maximum number of pieces of a column's range.

    Shapes:
        ``forward``: ``num`` and ``cat`` [batch, columns] -> [batch, outputs].

    References:
        Gorishniy, Rubachev and Babenko 2022, On Embeddings for Numerical Features in Tabular Deep Learning.
    """

    def __init__(  # noqa: PLR0913 - the network's sizes, keyword-only
        self,
        num: npt.NDArray[np.float32],
        cardinalities: Sequence[int],
        *,
        outputs: int,
        hidden: Sequence[int],
        dropout: float,
        pieces: int = 16,
    ) -> None:
        super().__init__()
        self.numbers = _Numbers(num, pieces)
        self.embeddings = nn.ModuleList(_embedding(count) for count in cardinalities)
        width = self.numbers.width + sum(_dimensions(count) for count in cardinalities)
        layers: list[nn.Module] = []
        for units in hidden:
            layers += [nn.Linear(width, units), nn.LayerNorm(units), nn.ReLU(), nn.Dropout(dropout)]
            width = units
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        """Return the outputs [batch, outputs]."""
        features = [self.numbers(num)] if self.numbers.width else []
        features += [embedding(cat[:, index]) for index, embedding in enumerate(self.embeddings)]
        outputs: Tensor = self.layers(torch.cat(features, dim=1))
        return outputs

    def write(self, graph: GraphWriter, networks: Sequence[Self]) -> Value:
        """Write ``networks`` of this one's shape (loop.inference.WrittenNetwork).

        If a column has a missing-value flag in some networks only, the others get weights of 0 for the flag.
        """
        layers = LayerWriter(graph=graph, models=len(networks))
        flagged = np.unique(np.concatenate([network.numbers.flagged.numpy() for network in networks]))
        features = self.numbers.write(layers, [network.numbers for network in networks], flagged)
        features += layers.embed("cat", [network.embeddings for network in networks])
        value = layers.concat(features)
        _, *later_layers = zip(*(network.layers for network in networks), strict=True)
        value = layers.linear(value, [_with_flags(network, flagged) for network in networks])
        return layers.sequential(value, later_layers)


class _Numbers(nn.Module):
    """Encodes numbers [batch, columns] with NaN for missing values to [batch, width] in [-1, 1]."""

    median: Tensor
    mean: Tensor
    scale: Tensor
    start: Tensor
    slope: Tensor
    flagged: Tensor

    def __init__(self, num: npt.NDArray[np.float32], pieces: int) -> None:
        super().__init__()
        columns = num.shape[1]
        pieces = min(pieces, max(2, _MAX_TOTAL_PIECES // max(1, columns)))
        filled = [_impute(column) for column in num.T.astype(np.float64)]
        cuts = [_piecewise_linear_bins(column, pieces) for column in filled]
        self._add_buffer("median", [np.median(column) for column in filled])
        self._add_buffer("mean", [column.mean() for column in filled])
        self._add_buffer("scale", [_CLIP * (column.std() or 1.0) for column in filled])
        self._add_buffer("start", [start for start, _ in cuts])
        self._add_buffer("slope", [slope for _, slope in cuts])
        self.register_buffer("flagged", torch.from_numpy(np.flatnonzero(np.isnan(num).any(axis=0))))
        self.width = columns * (1 + pieces) + len(self.flagged)

    def forward(self, num: Tensor) -> Tensor:
        missing = torch.isnan(num)
        filled = torch.where(missing, self.median, num)
        standard = ((filled - self.mean) / self.scale).clamp(-1, 1)
        covered = ((filled.unsqueeze(2) - self.start) * self.slope).clamp(0, 1)
        flags = missing.to(num.dtype).index_select(1, self.flagged)
        return torch.cat([standard, covered.flatten(1), flags], dim=1)

    def write(self, layers: LayerWriter, networks: Sequence[Self], flagged: npt.NDArray[np.int64]) -> list[Value]:
        """Write ``forward`` without its concatenation: [batch, columns], [batch, columns x pieces], [batch, flags]."""
        if not len(self.median):
            return []

        def statistic(name: str, rank: int = 2) -> Value:
            return layers.tensor(networks, name, rank)

        num = Value(name="num")
        missing = layers.add("IsNaN", num)
        filled = layers.add("Where", missing, statistic("median"), num)
        centered = layers.add("Sub", filled, statistic("mean"))
        standard = layers.clip(layers.add("Div", centered, statistic("scale")), -1, 1)
        last = Value(name=layers.graph.constant(np.array([-1])))
        distance = layers.add("Sub", layers.add("Unsqueeze", filled, last), statistic("start", 3))
        covered = layers.clip(layers.add("Mul", distance, statistic("slope", 3)), 0, 1)
        features = [standard, layers.flatten_last(covered)]
        return [*features, layers.to_float(layers.columns(missing, flagged))] if len(flagged) else features

    def _add_buffer(self, name: str, values: Sequence[object]) -> None:
        self.register_buffer(name, torch.from_numpy(np.array(values, np.float32)))


def _with_flags(network: TabularMLP, flagged: npt.NDArray[np.int64]) -> nn.Linear:
    """Return the network's first layer, with inputs for the flags of all ``flagged`` columns."""
    first, numbers = network.layers[0], network.numbers
    assert isinstance(first, nn.Linear), "a network begins with a layer"
    flagged_columns = numbers.flagged.numpy()
    if np.array_equal(flagged_columns, flagged):
        return first
    start = numbers.width - len(flagged_columns)
    weight = first.weight.detach()
    flags = weight.new_zeros(len(weight), len(flagged))
    flags[:, np.searchsorted(flagged, flagged_columns)] = weight[:, start : numbers.width]
    wider = nn.Linear(weight.shape[1] - len(flagged_columns) + len(flagged), len(weight))
    with torch.no_grad():
        wider.weight.copy_(torch.cat([weight[:, :start], flags, weight[:, numbers.width :]], dim=1))
        wider.bias.copy_(first.bias)
    return wider


def _impute(column: Column) -> Column:
    present = column[~np.isnan(column)]
    return np.where(np.isnan(column), np.median(present) if len(present) else 0.0, column)


def _piecewise_linear_bins(column: Column, pieces: int) -> tuple[Column, Column]:
    """Return the start of each piece of the range, and 1 / its length; both are 0 for unused pieces.

    Half of the edges are quantiles of the rows, half are quantiles of the distinct values, which resolve long tails.
    """
    rows = np.quantile(column, np.linspace(0, 1, pieces // 2 + 1))
    values = np.quantile(np.unique(column), np.linspace(0, 1, pieces - pieces // 2 + 1))
    edges = np.unique(np.concatenate([rows, values]).astype(np.float32)).astype(np.float64)
    start, slope = np.zeros(pieces), np.zeros(pieces)
    start[: len(edges) - 1] = edges[:-1]
    slope[: len(edges) - 1] = np.minimum(1 / np.diff(edges), _MAX_SLOPE)
    return start, slope


def _dimensions(cardinality: int) -> int:
    return min(32, math.ceil(1.6 * math.pow(cardinality, 0.56)))


def _embedding(cardinality: int) -> nn.Embedding:
    """Return an embedding with zeros for id 0 (missing) and the last id (unknown), which may not occur in training."""
    embedding = nn.Embedding(cardinality, _dimensions(cardinality))
    with torch.no_grad():
        embedding.weight.mul_(0.5)
        embedding.weight[[0, -1]] = 0
    return embedding
