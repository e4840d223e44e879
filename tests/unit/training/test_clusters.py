"""K-means and Gaussian mixture find the clusters of the data, and the served file assigns the same clusters."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.dataset import Dataset, SplitRows
from tests.fakes.tabular import Table, column_profile
from tests.fakes.training import TrainIt

NAMES = ["k_means", "gaussian_mixture"]
CENTERS = ((0.0, 0.0, "red"), (10.0, 0.0, "green"), (0.0, 10.0, "blue"))


def clustered(frame: pl.DataFrame) -> Table:
    cut = len(frame) * 3 // 4
    train, validation = frame[:cut], frame[cut:]
    dataset = Dataset(
        task="clustering",
        target="",
        columns=tuple(column_profile(column) for column in train),
        rows=SplitRows(train=train.height, validation=validation.height, test=0),
        sha256="d" * 64,
    )
    return Table(dataset=dataset, splits={"train": train, "validation": validation})


def blobs(rows: int = 240) -> pl.DataFrame:
    """Make rows around the centers; about half of them belong to the first center."""
    random = np.random.default_rng(0)
    which = random.choice(3, rows, p=(0.55, 0.3, 0.15))
    points = np.array([CENTERS[center][:2] for center in which]) + random.normal(0, 0.7, (rows, 2))
    x = pl.Series("x", points[:, 0] * 1000, dtype=pl.Float32)
    y = pl.Series("y", points[:, 1], dtype=pl.Float32).set(pl.Series(random.random(rows) < 0.03), None)
    return pl.DataFrame([x, y, pl.Series("colour", [CENTERS[center][2] for center in which])])


@pytest.mark.parametrize("algorithm", NAMES)
def test_the_clusters_of_the_data_are_found_and_numbered_by_size(algorithm: str, train: TrainIt) -> None:
    run = train(algorithm, clustered(blobs()))
    assert run.trained.classes == ("0", "1", "2")
    assert run.trained.quality["silhouette"] > 0.7
    assert "3 clusters have the best silhouette" in run.trained.notes[0]
    centers = pl.DataFrame({"x": [0.0, 10_000, 0], "y": [0.0, 0, 10], "colour": ["red", "green", "blue"]})
    predictions = run.served(centers)
    assert predictions.labels.tolist() == ["0", "1", "2"]
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("algorithm", NAMES)
@pytest.mark.parametrize("kept", [["x", "y"], ["x", "y", "colour"]])
@pytest.mark.parametrize("covariance", [None, "diag"])
def test_the_served_file_predicts_like_the_trained_model(
    algorithm: str, kept: list[str], covariance: str | None, train: TrainIt
) -> None:
    settings = {"covariance": covariance} if algorithm == "gaussian_mixture" else {}
    run = train(algorithm, clustered(blobs().select(kept)), clusters=4, **settings)
    assert run.trained.classes == ("0", "1", "2", "3")
    assert run.difference() < 1e-5


@pytest.mark.parametrize("algorithm", NAMES)
def test_tables_of_only_categories_and_unusual_rows_get_clusters(algorithm: str, train: TrainIt) -> None:
    random = np.random.default_rng(1)
    kind = random.choice(["a", "b", "c"], 120)
    like = [letter if keep else "z" for letter, keep in zip(kind, random.random(120) < 0.9, strict=True)]
    run = train(algorithm, clustered(pl.DataFrame({"kind": kind, "like": like})), most_clusters=4)
    assert run.difference() < 1e-5
    run = train(algorithm, clustered(blobs()), clusters=3)
    strange = pl.DataFrame({"x": [None, 1e30, -1e30], "y": [None, -1e30, 0.0], "colour": [None, "pink", ""]})
    assert np.isfinite(run.served(strange).probabilities).all()


@pytest.mark.parametrize("algorithm", NAMES)
def test_too_few_distinct_rows_for_the_clusters_are_refused(algorithm: str, train: TrainIt) -> None:
    alike = clustered(pl.DataFrame({"x": pl.Series([0.0, 1.0] * 40, dtype=pl.Float32)}))
    with pytest.raises(
        CandidateFailedError, match="2 different values: at least 3 are expected to tell clusters apart"
    ):
        train(algorithm, alike)
    with pytest.raises(CandidateFailedError, match="at least 5 are expected for the 5 clusters that are asked for"):
        train(algorithm, alike, clusters=5)
    assert train(algorithm, alike, clusters=2).trained.quality["silhouette"] == pytest.approx(1.0)


@pytest.mark.parametrize("algorithm", NAMES)
def test_the_same_seed_gives_the_same_file(algorithm: str, train: TrainIt) -> None:
    first, second = (train(algorithm, clustered(blobs()), seed=7, clusters=3).trained.model_sha256 for _ in range(2))
    assert first == second
