"""A mixture of Gaussians: clusters of any size and direction, each with its own density."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.contracts.algorithm_spec import Allowed
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings

if TYPE_CHECKING:
    from pipeline.training.estimators.clustering import Mixture, Points

__all__ = ["RECIPE"]

_MOST_FULL = 30  # coordinates with a covariance each with each; above it each has a variance of its own


def _train(settings: Settings, problem: Problem) -> FittedModel:
    """Expectation maximization from k-means (Dempster, Laird and Rubin 1977), the best of ``starts``."""
    from pipeline.training.estimators.clustering import fit_clusters

    return fit_clusters(settings, problem, _fit)


def _fit(points: Points, clusters: int, settings: Settings, seed: int) -> Mixture:
    import numpy as np
    from sklearn.mixture import GaussianMixture

    from pipeline.training.estimators.clustering import MIN_VARIANCE, Mixture

    kind = settings["covariance"] or ("full" if points.shape[1] <= _MOST_FULL else "diag")
    model = GaussianMixture(
        clusters,
        covariance_type=kind,
        n_init=settings["starts"],
        max_iter=settings["max_iter"],
        reg_covar=MIN_VARIANCE,
        random_state=seed,
    ).fit(points)
    factors = model.precisions_cholesky_
    diagonals = np.diagonal(factors, axis1=1, axis2=2) if kind == "full" else factors
    return Mixture(
        means=model.means_,
        factors=factors,
        constants=np.log(model.weights_) + np.log(diagonals).sum(axis=1),
        responsibilities=model.predict_proba,
    )


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="gaussian_mixture",
        tasks=("clustering",),
        reads=("num", "cat"),
        needs="cpu",
        good_at="clusters of different sizes and orientations, with membership probabilities",
        defaults={"clusters": None, "most_clusters": 10, "starts": 2, "max_iter": 100, "covariance": None},
        allowed={
            "clusters": Allowed(minimum=2, maximum=100, whole=True),
            "most_clusters": Allowed(minimum=2, maximum=100, whole=True),
            "starts": Allowed(minimum=1, maximum=1_000, whole=True),
            "max_iter": Allowed(minimum=1, maximum=100_000, whole=True),
            "covariance": Allowed(choices=("full", "diag")),
        },
        most_weights=2000,
        turn=20,
    ),
    no_int8="densities saturate: what an integer rounds away moves a row to another cluster",
    tolerance=1e-4,  # a row between two clusters, whose place is rounded to a float32
    train=_train,
)
