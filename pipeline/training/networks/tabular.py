"""Networks for tables from the literature: TabM, and the ResNet of Gorishniy et al."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.graphs.writer import CannotWriteError, GraphWriter, Value
from pipeline.training.networks.graph_layers import LayerWriter, modules_of, write_piecewise_linear

__all__ = ["NumericScaler", "TabMNetwork", "TabularResNet"]

_EMBEDDING = 16  # dimensions of a numeric column's embedding
_MAX_EMBEDDING = 32  # maximum dimensions of a categorical column's embedding


class NumericScaler(nn.Module):
    """Clips numbers to the range of the training rows, standardizes them, and flags missing ones.

    Missing numbers are replaced by the median. Columns that are constant in the training rows are dropped.

    Args:
        num: Numbers of the training rows [rows, columns], NaN where missing.

    Shapes:
        ``forward``: [batch, columns] -> [batch, width].
    """

    median: Tensor
    low: Tensor
    high: Tensor
    mean: Tensor
    scale: Tensor
    kept: Tensor
    flagged: Tensor

    def __init__(self, num: npt.NDArray[np.float32]) -> None:
        super().__init__()
        gaps = np.isnan(num)
        medians = [np.median(column[~gap]) if (~gap).any() else 0.0 for column, gap in zip(num.T, gaps.T, strict=True)]
        filled = np.where(gaps, np.array(medians, np.float32), num).astype(np.float64)
        varies = filled.max(axis=0) > filled.min(axis=0) if medians else np.zeros(0, bool)
        filled = filled[:, varies]
        self._add_buffer("kept", np.flatnonzero(varies))
        self._add_buffer("flagged", np.flatnonzero(gaps.any(axis=0) & ~gaps.all(axis=0)))
        self._add_buffer("median", np.array(medians)[varies].astype(np.float32))
        self._add_buffer("low", filled.min(axis=0, initial=np.inf).astype(np.float32))
        self._add_buffer("high", filled.max(axis=0, initial=-np.inf).astype(np.float32))
        self._add_buffer("mean", filled.mean(axis=0).astype(np.float32))
        self._add_buffer("scale", np.maximum(filled.std(axis=0), 1e-30).astype(np.float32))

    @property
    def width(self) -> int:
        """Return the number of outputs."""
        return len(self.kept) + len(self.flagged)

    def forward(self, num: Tensor) -> Tensor:
        """Return the standardized numbers and the flags [batch, width]."""
        missing = torch.isnan(num)
        chosen = num.index_select(1, self.kept)
        filled = torch.where(torch.isnan(chosen), self.median, chosen)
        standard = (torch.minimum(torch.maximum(filled, self.low), self.high) - self.mean) / self.scale
        return torch.cat([standard, missing.index_select(1, self.flagged).to(num.dtype)], dim=1)

    def write(self, layers: LayerWriter, networks: Sequence[Self]) -> list[Value]:
        """Write ``forward`` as ONNX nodes; return its output, or an empty list if there are no columns.

        Raises:
            CannotWriteError: The networks differ in the columns that vary or have missing values.
        """
        varying, flagged = self.kept.numpy(), self.flagged.numpy()
        for network in networks:
            if not (torch.equal(network.kept, self.kept) and torch.equal(network.flagged, self.flagged)):
                raise CannotWriteError("networks that use the same columns are expected")
        if not self.width:
            return []
        num = Value(name="num")
        chosen = layers.columns(num, varying)
        median, low, high, mean, scale = (
            layers.tensor(networks, name, rank=2) for name in ("median", "low", "high", "mean", "scale")
        )
        filled = layers.add("Where", layers.add("IsNaN", chosen), median, chosen)
        within = layers.add("Min", layers.add("Max", filled, low), high)
        standard = layers.add("Div", layers.add("Sub", within, mean), scale)
        if not len(flagged):
            return [standard]
        return [layers.concat([standard, layers.to_float(layers.add("IsNaN", layers.columns(num, flagged)))])]

    def _add_buffer(self, name: str, values: npt.NDArray[np.generic]) -> None:
        self.register_buffer(name, torch.from_numpy(values))


class _OneHot(nn.Module):
    """One-hot encodes ids [batch, columns] to [batch, all ids]; the exporter turns TabM's module into a loop."""

    ids: Tensor
    columns: Tensor

    def __init__(self, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("ids", torch.cat([torch.arange(count) for count in cardinalities]))
        columns = [torch.full((count,), index) for index, count in enumerate(cardinalities)]
        self.register_buffer("columns", torch.cat(columns))

    def forward(self, cat: Tensor) -> Tensor:
        return (cat.index_select(1, self.columns) == self.ids).to(torch.float32)


class TabMNetwork(nn.Module):
    """TabM-mini with piecewise-linear embeddings: an ensemble with shared weights and member-specific input scalings.

    Args:
        num: Numbers of the training rows [rows, columns].
        cardinalities: Number of ids of each categorical column.
        outputs: Number of outputs of a member.
        members: Number of members.
        hidden: One block per entry; all blocks have the width of the first entry.
        bins: Number of bins of the piecewise-linear embedding of a number.
        dropout: Probability that a unit is dropped in training.

    Shapes:
        ``forward``: ``num`` and ``cat`` [batch, columns] -> [batch, members, outputs].

    References:
        Gorishniy, Kotelnikov and Babenko 2025, TabM: Advancing Tabular Deep Learning with Parameter-Efficient
        Ensembling; Gorishniy, Rubachev and Babenko 2022, On Embeddings for Numerical Features in Tabular Deep Learning.
    """

    def __init__(  # noqa: PLR0913 - the network's sizes, keyword-only
        self,
        num: npt.NDArray[np.float32],
        cardinalities: Sequence[int],
        *,
        outputs: int,
        members: int,
        hidden: Sequence[int],
        bins: int,
        dropout: float,
    ) -> None:
        import rtdl_num_embeddings
        from tabm import TabM

        super().__init__()
        self.scaled = NumericScaler(num)
        self.categories = len(cardinalities)
        embeddings = None
        if self.scaled.width:
            with torch.no_grad():
                rows = self.scaled(torch.from_numpy(num))
            with warnings.catch_warnings(action="ignore"):  # warns that flags and columns of two values have one bin
                edges = rtdl_num_embeddings.compute_bins(rows, n_bins=max(2, min(bins, len(rows) - 1)))
                embeddings = rtdl_num_embeddings.PiecewiseLinearEmbeddings(
                    edges, _EMBEDDING, activation=False, version="B"
                )
        self.tabm = TabM.make(
            n_num_features=self.scaled.width,
            cat_cardinalities=list(cardinalities),
            d_out=outputs,
            num_embeddings=embeddings,
            k=members,
            d_block=hidden[0],
            n_blocks=len(hidden),
            dropout=dropout,
            arch_type="tabm-mini",
        )
        if cardinalities:
            self.tabm.cat_module = _OneHot(cardinalities)

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        """Return the outputs of each member [batch, members, outputs]."""
        # Equivalent to TabM.forward, whose column_stack is exported as an ONNX loop.
        features = [self.tabm.num_module(self.scaled(num)).flatten(1)] if self.scaled.width else []
        features += [self.tabm.cat_module(cat)] if self.categories else []
        members = self.tabm.ensemble_view(torch.cat(features, dim=1))
        outputs: Tensor = self.tabm.output(self.tabm.backbone(members))
        return outputs

    def write(self, graph: GraphWriter, networks: Sequence[Self]) -> Value:
        """Write ``networks`` of this one's shape (loop.inference.WrittenNetwork)."""
        layers = LayerWriter(graph=graph, models=len(networks))
        features = [
            write_piecewise_linear(layers, numbers, [network.tabm.num_module for network in networks])
            for numbers in self.scaled.write(layers, [network.scaled for network in networks])
        ]
        if self.categories:
            one_hot = self.tabm.cat_module
            ids = layers.columns(Value(name="cat"), one_hot.columns.numpy())
            is_id = layers.add("Equal", ids, Value(name=graph.constant(one_hot.ids.numpy())))
            features.append(layers.to_float(is_id))
        backbones = [network.tabm.backbone for network in networks]
        before_members = Value(name=graph.constant(np.array([-2], np.int64)))
        value = layers.add("Unsqueeze", layers.concat(features), before_members)
        value = layers.add("Mul", value, layers.tensor([backbone.affine for backbone in backbones], "weight", rank=3))
        stacked = value.stacked
        if stacked:  # one matrix product per network, not one per row
            value = layers.reshape(value, [0, -1, backbones[0].affine.weight.shape[1]])
        for blocks in zip(*(backbone.blocks for backbone in backbones), strict=True):
            value = layers.add("Relu", layers.linear(value, modules_of(blocks, 0), rank=2 if stacked else 3))
        if stacked:
            value = layers.reshape(value, [0, -1, self.tabm.k, self.tabm.output.weight.shape[1]])
        outputs = [network.tabm.output for network in networks]
        weight = layers.tensor(outputs, "weight", rank=3)
        value = layers.add("MatMul", layers.swap_first(value), weight)
        bias = layers.tensor(outputs, "bias", rank=3)
        return layers.add("Add", layers.swap_first(value), bias)


class TabularResNet(nn.Module):
    """A ResNet for tables with blocks x + Dropout(Linear(Dropout(ReLU(Linear(LayerNorm(x)))))).

    LayerNorm replaces the BatchNorm of the paper, which needs batches of more than one row.

    Args:
        num: Numbers of the training rows [rows, columns].
        cardinalities: Number of ids of each categorical column.
        outputs: Number of outputs.
        hidden: One block per entry; all blocks have the width of the first entry, and twice that width inside.
        dropout: Probability that a unit is dropped in training.

    Shapes:
        ``forward``: ``num`` and ``cat`` [batch, columns] -> [batch, outputs].

    References:
        Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data.
    """

    def __init__(
        self,
        num: npt.NDArray[np.float32],
        cardinalities: Sequence[int],
        *,
        outputs: int,
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.scaled = NumericScaler(num)
        sizes = [min(_MAX_EMBEDDING, 1 + count // 2) for count in cardinalities]
        self.embeddings = nn.ModuleList(nn.Embedding(*size) for size in zip(cardinalities, sizes, strict=True))
        width = hidden[0]
        self.first = nn.Linear(self.scaled.width + sum(sizes), width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 2 * width),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(2 * width, width),
                nn.Dropout(dropout),
            )
            for _ in hidden
        )
        self.last = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        """Return the outputs [batch, outputs]."""
        features = [self.scaled(num)] if self.scaled.width else []
        features += [embedding(cat[:, index]) for index, embedding in enumerate(self.embeddings)]
        x = self.first(torch.cat(features, dim=1))
        for block in self.blocks:
            x = x + block(x)
        outputs: Tensor = self.last(x)
        return outputs

    def write(self, graph: GraphWriter, networks: Sequence[Self]) -> Value:
        """Write ``networks`` of this one's shape (loop.inference.WrittenNetwork)."""
        layers = LayerWriter(graph=graph, models=len(networks))
        features = self.scaled.write(layers, [network.scaled for network in networks])
        features += layers.embed("cat", [network.embeddings for network in networks])
        value = layers.linear(layers.concat(features), [network.first for network in networks])
        for blocks in zip(*(network.blocks for network in networks), strict=True):
            norms, inner, outer = (modules_of(blocks, index) for index in (0, 1, 4))
            wide = layers.add("Relu", layers.linear(layers.layer_norm(value, norms), inner))
            value = layers.add("Add", value, layers.linear(wide, outer))
        norms, last = (modules_of([network.last for network in networks], index) for index in (0, 2))
        return layers.linear(layers.add("Relu", layers.layer_norm(value, norms)), last)
