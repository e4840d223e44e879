"""Metrics of clusters: rows as points, and their silhouettes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.evaluation_report import Cluster
from pipeline.contracts.signature import Signature

if TYPE_CHECKING:
    import polars as pl

__all__ = ["embed", "silhouettes", "summarize_clusters"]

Floats = npt.NDArray[np.floating[Any]]

_MAX_ROWS = 5000  # maximum number of rows in the silhouette
_BLOCK = 500  # rows whose distances are in memory at once
_MAX_VALUES = 50  # maximum number of one-hot coordinates of a categorical column
_CLIP = 20.0  # numbers are clipped to this many standard deviations


def embed(frame: pl.DataFrame, signature: Signature) -> npt.NDArray[np.float32]:
    """Embed rows as points [rows, coordinates]: numbers, booleans and times, standardized over these rows.

    Missing numbers become the mean. The most frequent categories are one-hot encoded; texts and images are left out.
    """
    import polars as pl  # noqa: PLC0415 - the predict function has no polars

    coordinates: list[Floats] = [np.zeros((frame.height, 0))]
    for column in signature.columns:
        series = frame[column.name]
        if column.kind == "categorical":
            common = series.drop_nulls().value_counts(sort=True, name="rows")[column.name].head(_MAX_VALUES)
            coordinates += [(series == value).fill_null(False).to_numpy()[:, None] for value in sorted(common)]
        elif column.kind in ("numeric", "boolean", "datetime"):
            coordinates.append(_standardized(series.cast(pl.Float64).to_numpy())[:, None])
    return np.concatenate(coordinates, axis=1).astype(np.float32)


def _standardized(values: Floats) -> Floats:
    values = np.where(np.isfinite(values), values, np.nan)
    present = values[~np.isnan(values)]
    if not present.size:
        return np.zeros(len(values))
    scaled = (values - present.mean()) / (present.std() or 1.0)
    return np.asarray(np.clip(np.nan_to_num(scaled, nan=0.0), -_CLIP, _CLIP))


def silhouettes(
    points: Floats, labels: npt.NDArray[Any], *, seed: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the indices of a seeded sample of rows, and the silhouette of each (Rousseeuw 1987), in [-1, 1].

    The silhouette of a cluster's only row is 0, as are all silhouettes if there is only one cluster.
    """
    rows = len(points)
    sample = np.arange(rows)
    if rows > _MAX_ROWS:
        sample = np.sort(np.random.default_rng(seed).choice(rows, _MAX_ROWS, replace=False))
    _, cluster = np.unique(labels[sample].astype(str), return_inverse=True)
    sizes = np.bincount(cluster)
    if len(sizes) < 2:
        return sample, np.zeros(len(sample))
    sampled, member = points[sample].astype(np.float64), np.eye(len(sizes))[cluster]
    return sample, np.concatenate(
        [
            _silhouette_samples(
                sampled[start : start + _BLOCK], cluster[start : start + _BLOCK], sampled, member, sizes
            )
            for start in range(0, len(sampled), _BLOCK)
        ]
    )


def _silhouette_samples(
    block: Floats, cluster: npt.NDArray[np.int64], points: Floats, member: Floats, sizes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    squares = (block**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)[None] - 2 * block @ points.T
    sums = np.sqrt(np.maximum(squares, 0)) @ member  # distances to each cluster's rows [block, clusters]
    rows = np.arange(len(block))
    within = sums[rows, cluster] / np.maximum(sizes[cluster] - 1, 1)
    means = sums / sizes
    means[rows, cluster] = np.inf
    nearest = means.min(axis=1)
    largest = np.maximum(within, nearest)
    widths = (nearest - within) / np.where(largest > 0, largest, 1)
    return np.where(sizes[cluster] > 1, widths, 0.0)


def summarize_clusters(
    frame: pl.DataFrame, signature: Signature, labels: npt.NDArray[Any], *, max_columns: int
) -> tuple[Cluster, ...]:
    """Return each cluster's size, and its median or most frequent value in the first ``max_columns`` columns.

    Dates, texts and images are left out, and so are columns without a value in the cluster.
    """
    summaries = []
    for name in signature.classes:
        rows = frame.filter(labels == name)
        centroid: dict[str, float | str] = {}
        for column in signature.columns[:max_columns]:
            present = rows[column.name].drop_nulls()
            if present.is_empty():
                continue
            if column.kind == "categorical":
                centroid[column.name] = str(present.mode().sort()[0])
            elif column.kind in ("numeric", "boolean"):
                centroid[column.name] = float(np.median(present.to_numpy()))
        summaries.append(Cluster(name=name, rows=rows.height, middle=centroid))
    return tuple(summaries)
