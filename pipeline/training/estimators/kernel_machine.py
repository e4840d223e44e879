"""Kernel ridge regression: a prediction is a weighted sum of kernels around all training rows.

Classes are one-vs-rest targets, whose scores pass through a softmax. Weights and leave-one-out predictions have closed
forms; kernel, width and penalty are chosen by the leave-one-out error. All numbers are float64, since large weights of
both signs cancel each other out.

References:
    Saunders, Gammerman and Vovk 1998, Ridge Regression Learning Algorithm in Dual Variables; Rifkin and Lippert 2007,
    Notes on Regularized Least Squares (classes, leave-one-out); Allen 1974 (leave-one-out of ridge regression).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from pipeline.graphs.writer import GraphWriter
from pipeline.training.algorithm import RunContext, TrainingTask
from pipeline.training.features.preprocessing import FEATURES

__all__ = ["KERNELS", "Kernel", "KernelMachine"]

KERNELS = ("gaussian", "exponential")
_WIDTHS = (0.03, 0.1, 0.3, 1.0, 3.0)  # widths to try, in units of 1 / median squared distance
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_MAX_SELECTION_ROWS = 800  # number of rows to choose the kernel on, which takes time cubic in this number
# Added to squared distances; smooths the exponential kernel at 0, so that rounding of float32 inputs has no effect.
_DISTANCE_OFFSET = 1e-2
_MAX_LOG_FACTOR = 5.0  # bound of |log(factor of the scores)|

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """A kernel function of the distance d between two rows, and the penalty of the regression.

    Args:
        kind: ``gaussian``: exp(-width d^2); ``exponential``: exp(-sqrt(width (d^2 + offset))), with a small offset.
        width: Factor of the squared distance.
        penalty: L2 penalty.
    """

    kind: Literal["gaussian", "exponential"]
    width: float
    penalty: float

    def of(self, squared: Floats, out: Floats | None = None) -> Floats:
        """Return the kernel of squared distances [rows, other rows].

        Args:
            squared: Squared distances.
            out: Array for the result, which may be ``squared``; None: a new array.
        """
        if self.kind == "gaussian":
            kernel = np.multiply(squared, -self.width, out=out)
        else:
            kernel = np.add(squared, _DISTANCE_OFFSET, out=out)
            kernel *= self.width
            np.sqrt(kernel, out=kernel)
            np.negative(kernel, out=kernel)
        return np.exp(kernel, out=kernel)


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelMachine:
    """A fitted kernel ridge regression.

    Args:
        kernel: Kernel function and penalty.
        center: Subtracted from the features [columns].
        scale: Factor of the centered features [columns].
        rows: Training rows, centered and scaled [rows, columns].
        weights: Weight of each row's kernel [rows, outputs].
        offset: Added to the weighted sums [outputs].
        inverse_temperature: Factor of the scores of classes before their softmax; 0 for a regression.
    """

    kernel: Kernel
    center: Floats
    scale: Floats
    rows: Floats
    weights: Floats
    offset: Floats
    inverse_temperature: float

    @classmethod
    def of(  # noqa: PLR0913 - rows and choices, keyword-only
        cls,
        features: npt.NDArray[np.float32],
        task: TrainingTask,
        *,
        scaled: int,
        kinds: Sequence[str],
        widths: Sequence[float],
        penalties: Sequence[float],
        context: RunContext,
    ) -> Self:
        """Choose the kernel on a sample of the rows, and fit it to all rows, or to as many as the deadline allows.

        Args:
            features: Features of the training rows [rows, columns].
            task: Task with the training rows (rows of weight 0 are dropped), and the seed of the sample.
            scaled: Number of leading columns that are standardized.
            kinds: Kinds of kernels to try.
            widths: Widths to try, in units of 1 / median squared distance; empty: the default ones.
            penalties: Penalties to try; empty: the default ones.
            context: The fit should end at its deadline.

        Raises:
            numpy.linalg.LinAlgError: The penalty is too small: the matrix is not positive definite.
        """
        classes, weight = task.classes, task.loss_weight(task.train)
        counts = np.ones(len(features)) if weight is None else weight.astype(np.float64)
        weighted = counts > 0
        values, counts = features[weighted].astype(np.float64), counts[weighted] / counts[weighted].mean()
        target = task.train.target[weighted]
        center, scale = _center_and_scale(values, scaled)
        targets = np.eye(classes)[target] * 2 - 1 if classes else target.astype(np.float64)[:, None]
        offset = np.average(targets, axis=0, weights=counts)
        system = _GramSystem(rows=(values - center) * scale, targets=targets - offset, root=np.sqrt(counts))
        order = np.random.default_rng(task.seed).permutation(len(values))
        selection_system = system.take(np.sort(order[:_MAX_SELECTION_ROWS]))
        kernel = selection_system.best(kinds, widths or _WIDTHS, penalties or _PENALTIES, context)
        fitted = np.sort(order[: _affordable_rows(selection_system, kernel, len(order), context)])
        system = system if len(fitted) == len(order) else system.take(fitted)
        weights, held_out_scores = system.solve(kernel)
        return cls(
            kernel=kernel,
            center=center,
            scale=scale,
            rows=system.rows,
            weights=weights,
            offset=offset,
            inverse_temperature=(
                _fit_inverse_temperature(held_out_scores + offset, target[fitted], counts[fitted]) if classes else 0.0
            ),
        )

    def predict(self, features: npt.NDArray[np.float32]) -> Floats:
        """Return probabilities [rows, classes], or values [rows], for features [rows, columns]."""
        scaled = (features.astype(np.float64) - self.center) * self.scale
        squared = _squared_distances(scaled, self.rows)
        scores = self.kernel.of(squared, out=squared) @ self.weights + self.offset
        return softmax(self.inverse_temperature * scores, axis=1) if self.inverse_temperature else scores[:, 0]

    def graph(self) -> onnx.ModelProto:
        """Export ``features`` [batch, columns] to probabilities [batch, classes], or values [batch, 1]."""
        graph = GraphWriter()
        exact = graph.add("Cast", FEATURES, to=TensorProto.DOUBLE)
        centered = graph.add("Sub", exact, graph.constant(self.center))
        scaled = graph.add("Mul", centered, graph.constant(self.scale))
        norms = graph.add("ReduceSumSquare", scaled, graph.constant(np.array([1])), keepdims=1)
        products = graph.add("MatMul", scaled, graph.constant(-2 * self.rows.T))
        with_others = graph.add("Add", products, graph.constant(np.square(self.rows).sum(axis=1)))
        exponent = graph.add("Max", graph.add("Add", with_others, norms), graph.constant(np.array(0.0)))
        if self.kernel.kind == "exponential":
            offset = graph.add("Add", exponent, graph.constant(np.array(_DISTANCE_OFFSET)))
            exponent = graph.add("Sqrt", graph.add("Mul", offset, graph.constant(np.array(self.kernel.width))))
        factor = -self.kernel.width if self.kernel.kind == "gaussian" else -1.0
        kernel = graph.add("Exp", graph.add("Mul", exponent, graph.constant(np.array(factor))))
        sums = graph.add("MatMul", kernel, graph.constant(self.weights))
        scores = graph.add("Add", sums, graph.constant(self.offset))
        if self.inverse_temperature:
            logits = graph.add("Mul", scores, graph.constant(np.array(self.inverse_temperature)))
            scores = graph.add("Softmax", logits, axis=1)
        output = graph.add("Cast", scores, to=TensorProto.FLOAT)
        features = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", len(self.center)])
        shape = ["batch", self.weights.shape[1]]
        return graph.model({FEATURES: features}, output, kind=TensorProto.FLOAT, shape=shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class _GramSystem:
    """The linear system of a kernel ridge regression.

    Args:
        rows: Scaled rows [rows, columns].
        targets: Centered targets [rows, outputs].
        root: Square roots of the rows' weights [rows].
    """

    rows: Floats
    targets: Floats
    root: Floats

    def take(self, chosen: npt.NDArray[np.int64]) -> _GramSystem:
        """Return the system of the chosen rows only."""
        return _GramSystem(rows=self.rows[chosen], targets=self.targets[chosen], root=self.root[chosen])

    def best(
        self, kinds: Sequence[str], widths: Sequence[float], penalties: Sequence[float], context: RunContext
    ) -> Kernel:
        """Return the kernel with the lowest leave-one-out error of those tried before the deadline, at least one."""
        squared = _squared_distances(self.rows, self.rows)
        nonzero = squared[squared > 1e-9]
        median = float(np.median(nonzero)) if nonzero.size else 1.0
        errors: list[tuple[float, Kernel]] = []
        for kind, width in itertools.product(kinds, widths):
            if errors and context.is_timed_out:
                break
            errors += self._errors(kind, width / median, squared, penalties)
        return min(errors, key=lambda error: error[0])[1]

    def _errors(
        self, kind: Any, width: float, squared: Floats, penalties: Sequence[float]
    ) -> Iterator[tuple[float, Kernel]]:
        """Yield the leave-one-out error of each penalty; all use the same eigendecomposition."""
        matrix = self._weighted(Kernel(kind=kind, width=width, penalty=0).of(squared))
        values, vectors = np.linalg.eigh(matrix)
        weighted = self.targets * self.root[:, None]
        projected = vectors.T @ weighted
        for penalty in penalties:
            shrinkage = np.maximum(values, 0) / (np.maximum(values, 0) + penalty)
            leverage = np.square(vectors) @ shrinkage
            missed = (weighted - vectors @ (shrinkage[:, None] * projected)) / np.maximum(1 - leverage, 1e-9)[:, None]
            yield float(np.square(missed).mean()), Kernel(kind=kind, width=width, penalty=penalty)

    def solve(self, kernel: Kernel) -> tuple[Floats, Floats]:
        """Return the weights [rows, outputs], and the leave-one-out predictions [rows, outputs].

        Distances, kernel, Cholesky factor and inverse share the memory of one matrix [rows, rows].

        Raises:
            numpy.linalg.LinAlgError: The penalty is too small: the matrix is not positive definite.
        """
        squared = _squared_distances(self.rows, self.rows)
        matrix = self._weighted(kernel.of(squared, out=squared))
        matrix[np.diag_indices_from(matrix)] += kernel.penalty
        # The matrix is symmetric; LAPACK overwrites its transpose without a copy.
        factor, lower = cho_factor(matrix.T, lower=True, overwrite_a=True)
        weights = cho_solve((factor, lower), self.targets * self.root[:, None])
        inverse, _ = dpotri(factor, lower=lower, overwrite_c=True)
        missed = weights / np.diagonal(inverse)[:, None] / self.root[:, None]
        return weights * self.root[:, None], self.targets - missed

    def _weighted(self, matrix: Floats) -> Floats:
        """Multiply rows and columns of a kernel matrix by the roots of the rows' weights, in place."""
        matrix *= self.root[:, None]
        matrix *= self.root
        return matrix


def _center_and_scale(values: Floats, scaled: int) -> tuple[Floats, Floats]:
    """Return center and scale [columns] that standardize the first ``scaled`` columns; 0 and 1 for the others."""
    center, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
    deviation = values[:, :scaled].std(axis=0)
    center[:scaled] = values[:, :scaled].mean(axis=0)
    scale[:scaled] = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
    return center, scale


def _affordable_rows(some: _GramSystem, kernel: Kernel, rows: int, context: RunContext) -> int:
    """Return how many rows can be fitted until the deadline; solving takes time cubic in the number of rows."""
    count = len(some.rows)
    if context.deadline == math.inf or rows <= count:
        return rows
    started = context.clock()
    some.solve(kernel)
    now = context.clock()
    ratio = max(0.0, context.deadline - now) / max(now - started, 1e-6)
    return int(min(rows, max(count, count * ratio ** (1 / 3))))


def _squared_distances(left: Floats, right: Floats) -> Floats:
    """Return the squared Euclidean distances [rows of left, rows of right]."""
    squared: Floats = (-2 * left) @ right.T
    squared += np.square(left).sum(axis=1)[:, None]
    squared += np.square(right).sum(axis=1)
    return np.maximum(squared, 0, out=squared)


def _fit_inverse_temperature(scores: Floats, target: npt.NDArray[np.int64], weight: Floats) -> float:
    """Return the inverse temperature: the factor of the scores with the lowest cross-entropy (Guo et al. 2017)."""

    def loss(logarithm: float) -> float:
        probabilities = softmax(np.exp(logarithm) * scores, axis=1)[np.arange(len(target)), target]
        return float(-np.average(np.log(np.maximum(probabilities, 1e-12)), weights=weight))

    optimum = minimize_scalar(loss, bounds=(-_MAX_LOG_FACTOR, _MAX_LOG_FACTOR), method="bounded")
    return float(np.exp(optimum.x))
