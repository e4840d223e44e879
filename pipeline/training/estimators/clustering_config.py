"""The hyper-parameters that all clustering algorithms share."""

from __future__ import annotations

from typing import Annotated

from pipeline.contracts.algorithms.config import AlgorithmConfig, hyperparameter

__all__ = ["ClusteringConfig", "Starts"]

Starts = Annotated[int, hyperparameter("Random starts, of which the best is kept.", unit="starts", ge=1, le=1_000)]


class ClusteringConfig(AlgorithmConfig):
    """Hyper-parameters of a clustering algorithm."""

    clusters: Annotated[
        int | None,
        hyperparameter("Number of clusters; null: the one with the best silhouette.", set_by="clusters", ge=2, le=100),
    ] = None
    most_clusters: Annotated[
        int, hyperparameter("Maximum number of clusters that is tried.", unit="clusters", ge=2, le=100)
    ] = 10
    starts: Starts = 1
    max_iter: Annotated[int, hyperparameter("Maximum iterations per start.", unit="iterations", ge=1, le=100_000)] = 100
