"""What all clustering algorithms share: feature space, choice of the number of clusters, and ONNX graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.errors import CandidateFailedError
from pipeline.evaluation.clusters import silhouettes
from pipeline.graphs.compose import join, make_model
from pipeline.training.algorithm import FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.estimators.clustering_config import ClusteringConfig
from pipeline.training.export.sklearn_to_onnx import sklearn_body
from pipeline.training.features.preprocessing import Preprocessing, linear_features, scaled_and_one_hot

__all__ = ["MIN_VARIANCE", "Mixture", "Points", "fit_clusters"]

MIN_VARIANCE = 1e-3  # minimum variance of a cluster, relative to the column's: bounds the density of copies of one row
_CLIP = 20.0  # values are clipped to this many standard deviations, so that an outlier does not become a cluster
_MAX_SELECTION_ROWS = 20_000  # maximum number of rows on which the number of clusters is chosen
_MAX_FITTED_ROWS = 200_000  # maximum number of rows that clusters are fitted to; more rows hardly move a center

Points = npt.NDArray[np.float64]  # [rows, coordinates]: standardized numbers, one-hot categories


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixture:
    """A fitted Gaussian mixture. The logit of a point x for a cluster is constant - |(x - mean) @ factor|^2 / 2.

    Args:
        means: Means [clusters, coordinates].
        factors: Cholesky factors of the precision matrices: diagonals [clusters, coordinates], or full matrices
            [clusters, coordinates, coordinates].
        constants: Constants of the logits [clusters].
        responsibilities: Predicts with scikit-learn: points [rows, coordinates] -> probabilities [rows, clusters].
    """

    means: Points
    factors: npt.NDArray[np.float64]
    constants: npt.NDArray[np.float64]
    responsibilities: Callable[[Points], Points]


ConfigT = TypeVar("ConfigT", bound=ClusteringConfig)
Fit = Callable[[Points, int, ConfigT, int], Mixture]


def fit_clusters(config: ConfigT, task: TrainingTask, context: RunContext, fit: Fit[ConfigT]) -> FittedModel:
    """Fit ``config.clusters`` clusters, or the number with the best silhouette; number them by size, largest first.

    Args:
        config: Hyper-parameters.
        task: The training rows.
        context: Deadline of the choice of the number of clusters, and its observers.
        fit: Fits a mixture; called with points, number of clusters, config and seed.

    Raises:
        CandidateFailedError: There are fewer distinct rows than clusters.
    """
    with warnings.catch_warnings(action="ignore"):  # a fit that has not converged is used all the same
        space = _FeatureSpace.of(task)
        points = space.transform(_sample(task.train, _MAX_FITTED_ROWS, task.seed))
        clusters, notes = _choose_count(config, task, context, fit, points)
        mixture = fit(points, clusters, config, task.seed)
    sizes = np.bincount(mixture.responsibilities(points).argmax(axis=1), minlength=clusters)
    order = np.argsort(-sizes, kind="stable")

    def predict(rows: Rows) -> npt.NDArray[np.floating[Any]]:
        return mixture.responsibilities(space.transform(rows))[:, order].astype(np.float32)

    if len(task.train) > _MAX_FITTED_ROWS:
        notes += (f"the clusters were fitted to {_MAX_FITTED_ROWS:,} of {len(task.train):,} rows",)
    if task.train.weight is not None:
        notes += ("row weights are not used for its clusters",)
    return FittedModel(
        predict=predict,
        body=lambda: join(space.graph(), _mixture_graph(mixture, order), prefix="clusters/"),
        classes=tuple(str(number) for number in range(clusters)),
        notes=notes,
    )


def _choose_count(
    config: ConfigT, task: TrainingTask, context: RunContext, fit: Fit[ConfigT], points: Points
) -> tuple[int, tuple[str, ...]]:
    """Return the configured number of clusters, or the one with the best silhouette, and notes on the numbers tried.

    Raises:
        CandidateFailedError: There are fewer distinct points than clusters.
    """
    sample = points[: min(_MAX_SELECTION_ROWS, len(points))]
    distinct = len(np.unique(sample, axis=0))
    requested = config.clusters
    min_clusters = requested or 3
    if distinct < min_clusters:
        raise CandidateFailedError(
            f"the training rows have {distinct:,} different values: at least {min_clusters} are expected"
            + (f" for the {requested} clusters that are asked for" if requested else " to tell clusters apart")
        )
    if requested:
        return requested, ()
    score_of_count: dict[int, float] = {}
    for clusters in range(2, min(config.most_clusters, distinct - 1) + 1):
        if score_of_count and context.is_timed_out:
            break
        mixture = fit(sample, clusters, config, task.seed)
        _, widths = silhouettes(sample, mixture.responsibilities(sample).argmax(axis=1), seed=task.seed)
        score_of_count[clusters] = float(widths.mean())
        context.report(f"{clusters} clusters, silhouette {score_of_count[clusters]:.4f}")
    best = max(score_of_count, key=lambda clusters: (score_of_count[clusters], -clusters))
    scores_text = ", ".join(f"{clusters}: {width:.3f}" for clusters, width in score_of_count.items())
    return best, (f"{best} clusters have the best silhouette on the training rows ({scores_text})",)


def _sample(rows: Rows, max_rows: int, seed: int) -> Rows:
    """Return at most ``max_rows`` rows in random order, so that the first n of them are a random sample, too."""
    return rows.take(np.random.default_rng(seed).permutation(len(rows))[:max_rows])


@dataclass(frozen=True, kw_only=True, slots=True)
class _FeatureSpace:
    """Maps encoded columns to points: standardized numbers and one-hot categories."""

    preprocessing: Preprocessing
    scaling: Any  # a fitted ColumnTransformer of scikit-learn

    @classmethod
    def of(cls, task: TrainingTask) -> _FeatureSpace:
        flagged, _ = linear_features(task)
        preprocessing = replace(flagged, missing_indicators=np.empty(0, np.int64))
        scaling = scaled_and_one_hot(preprocessing).fit(preprocessing.apply(task.train))
        return cls(preprocessing=preprocessing, scaling=scaling)

    def transform(self, rows: Rows) -> Points:
        """Return the points of rows [rows, coordinates]."""
        scaled = self.scaling.transform(self.preprocessing.apply(rows))
        dense = scaled.toarray() if hasattr(scaled, "toarray") else scaled
        coordinates: Points = np.clip(dense, -_CLIP, _CLIP).astype(np.float64)
        return coordinates

    def graph(self) -> onnx.ModelProto:
        return sklearn_body(self.scaling, self.preprocessing, classifier=False)


def _mixture_graph(mixture: Mixture, order: npt.NDArray[np.int64]) -> onnx.ModelProto:
    """Return the ONNX graph from scaled features [batch, coordinates] to responsibilities [batch, clusters].

    It computes in float64, since logits of clusters are differences of large squares. Inputs and outputs are float32.
    """
    clusters, width = mixture.means.shape
    nodes, arrays = _squares(mixture.means[order], mixture.factors[order])
    arrays |= {
        "low": np.array(-_CLIP, np.float32),
        "high": np.array(_CLIP, np.float32),
        "half": np.array(-0.5),
        "constants": mixture.constants[order],
    }
    nodes = [
        helper.make_node("Clip", ["scaled", "low", "high"], ["clipped"]),
        helper.make_node("Cast", ["clipped"], ["points"], to=TensorProto.DOUBLE),
        *nodes,
        helper.make_node("Mul", ["squares", "half"], ["exponents"]),
        helper.make_node("Add", ["exponents", "constants"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
        helper.make_node("Cast", ["shares"], ["responsibilities"], to=TensorProto.FLOAT),
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    inputs = [helper.make_tensor_value_info("scaled", TensorProto.FLOAT, ["batch", width])]
    outputs = [helper.make_tensor_value_info("responsibilities", TensorProto.FLOAT, ["batch", clusters])]
    return make_model("mixture", nodes, inputs, outputs, constants)


def _squares(
    means: Points, factors: npt.NDArray[np.float64]
) -> tuple[list[onnx.NodeProto], dict[str, npt.NDArray[Any]]]:
    """Return the ONNX nodes from ``points`` to squared distances ``squares`` [batch, clusters], and their constants."""
    clusters, width = means.shape
    if factors.ndim == 3:
        arrays = {
            "factors": factors.transpose(1, 0, 2).reshape(width, clusters * width),
            "centers": np.einsum("kd,kde->ke", means, factors).reshape(-1),
            "by_cluster": np.array([-1, clusters, width], np.int64),
            "last": np.array([2], np.int64),
        }
        return [
            helper.make_node("MatMul", ["points", "factors"], ["turned"]),
            helper.make_node("Sub", ["turned", "centers"], ["apart"]),
            helper.make_node("Reshape", ["apart", "by_cluster"], ["distances"]),
            helper.make_node("ReduceSumSquare", ["distances", "last"], ["squares"], keepdims=0),
        ], arrays
    precisions = factors**2
    arrays = {
        "precisions": precisions.T.copy(),
        "pulls": -2 * (precisions * means).T,
        "offsets": (precisions * means**2).sum(axis=1),
    }
    return [
        helper.make_node("Mul", ["points", "points"], ["squared"]),
        helper.make_node("MatMul", ["squared", "precisions"], ["spread"]),
        helper.make_node("MatMul", ["points", "pulls"], ["pulled"]),
        helper.make_node("Add", ["spread", "pulled"], ["sums"]),
        helper.make_node("Add", ["sums", "offsets"], ["squares"]),
    ], arrays
