"""LightGBM and CatBoost as people use them: default settings, and more rounds; they train on all rows to learn from.

Each library receives categories in its own format. Predictions are probabilities [rows, classes], or values [rows].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["PEERS", "answer_of"]

Floats = npt.NDArray[np.floating[Any]]

# LightGBM grows 100 trees by default, CatBoost 1,000.
PEERS: dict[str, tuple[str, dict[str, int]]] = {
    "LightGBM": ("lightgbm", {}),
    "LightGBM 1,000 rounds": ("lightgbm", {"n_estimators": 1000}),
    "LightGBM 2,000 rounds": ("lightgbm", {"n_estimators": 2000}),
    "CatBoost": ("catboost", {}),
    "CatBoost 2,000 rounds": ("catboost", {"iterations": 2000}),
}


@dataclass(frozen=True, kw_only=True)
class _Task:
    """The rows and the target of a fit; ``y`` are class numbers if ``labels``, else values [rows]."""

    learn: pl.DataFrame
    y: npt.NDArray[Any]
    test: pl.DataFrame
    labels: bool
    threads: int

    @property
    def texts(self) -> list[str]:
        return [name for name in self.learn.columns if self.learn[name].dtype == pl.String]

    @property
    def text_places(self) -> list[int]:
        return [self.learn.columns.index(name) for name in self.texts]


def answer_of(  # noqa: PLR0913 - the rows, and what to predict
    peer: str, learn: pl.DataFrame, test: pl.DataFrame, *, target: str, classes: tuple[str, ...], threads: int
) -> Floats:
    """Fit a peer, and return its predictions for the test rows.

    Args:
        peer: Key of PEERS.
        learn: Rows to learn from.
        test: Test rows.
        target: Name of the target column.
        classes: Classes in the order of the probabilities; empty for regression.
        threads: Number of threads.
    """
    library, settings = PEERS[peer]
    columns = [name for name in test.columns if name != target]
    truth = learn[target].to_numpy()
    number = {label: index for index, label in enumerate(classes)}
    y = np.array([number[label] for label in truth]) if classes else truth.astype(np.float64)
    task = _Task(learn=learn.select(columns), y=y, test=test.select(columns), labels=bool(classes), threads=threads)
    return _lightgbm(task, settings) if library == "lightgbm" else _catboost(task, settings)


def _lightgbm(task: _Task, settings: dict[str, int]) -> Floats:
    import lightgbm

    kind = lightgbm.LGBMClassifier if task.labels else lightgbm.LGBMRegressor
    levels = {name: task.learn[name].drop_nulls().unique().sort().to_list() for name in task.texts}
    model = kind(n_jobs=task.threads, verbose=-1, random_state=0, **settings)
    model.fit(_numbers(task.learn, levels), task.y, categorical_feature=task.text_places or "auto")
    rows = _numbers(task.test, levels)
    predictions: Floats = model.predict_proba(rows) if task.labels else model.predict(rows)
    return predictions


def _numbers(frame: pl.DataFrame, levels: dict[str, list[str]]) -> Floats:
    columns = [
        frame[name].replace_strict(levels[name], range(len(levels[name])), default=None, return_dtype=pl.Float64)
        if name in levels
        else frame[name].cast(pl.Float64)
        for name in frame.columns
    ]
    return np.stack([column.fill_null(float("nan")).to_numpy() for column in columns], axis=1)


def _catboost(task: _Task, settings: dict[str, int]) -> Floats:
    import catboost

    kind = catboost.CatBoostClassifier if task.labels else catboost.CatBoostRegressor
    model = kind(thread_count=task.threads, verbose=0, random_seed=0, allow_writing_files=False, **settings)

    def pool(frame: pl.DataFrame, y: npt.NDArray[Any] | None = None) -> Any:
        columns = [
            frame[name].fill_null("missing").to_list()
            if name in task.texts
            else frame[name].cast(pl.Float64).fill_null(float("nan")).to_list()
            for name in frame.columns
        ]
        return catboost.Pool(list(map(list, zip(*columns, strict=True))), y, cat_features=task.text_places)

    model.fit(pool(task.learn, task.y))
    rows = pool(task.test)
    predictions: Floats = model.predict_proba(rows) if task.labels else model.predict(rows)
    return predictions
