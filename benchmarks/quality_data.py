"""The data sets of quality.py: training and test rows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.validation.readers.images.images import LABEL
from pipeline.validation.readers.images.npz import read_image_arrays

__all__ = ["DATA", "IMAGES", "SMALL_TABLES", "TABLES", "TEXTS", "DataSet", "Load", "data_file"]

DATA = Path(os.environ.get("MODELDROP_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Training and test rows, as read from files.

    Attributes:
        learn: Rows to learn from.
        test: Test rows.
        target: Name of the target column.
        drop: Columns that no model may read.
        image: Shape of an image; empty if there are no images.
    """

    learn: pl.DataFrame
    test: pl.DataFrame
    target: str
    drop: tuple[str, ...] = ()
    image: tuple[int, ...] = ()


Load = Callable[[int], DataSet]  # number of the split -> data set; a data set with its own test rows has one split


def data_file(name: str) -> Path:
    """Return the path of a file of the data sets; exit with a message if the file is missing."""
    file = DATA / name
    if not file.exists():
        sys.exit(f"there is no {file}: MODELDROP_DATA names the folder of the data sets")
    return file


def _read(name: str) -> pl.DataFrame:
    return pl.read_csv(data_file(name), null_values=["?", ""], infer_schema_length=None)


def _with_test_file(folder: str, target: str) -> Load:
    return lambda split: DataSet(learn=_read(f"{folder}/train.csv"), test=_read(f"{folder}/test.csv"), target=target)


def _split(frame: pl.DataFrame, target: str, split: int, drop: tuple[str, ...] = ()) -> DataSet:
    """Return a random split, seeded by ``split``, with a fourth of the rows as test rows."""
    order = np.random.default_rng(split).permutation(frame.height)
    cut = frame.height // 4
    return DataSet(learn=frame[order[cut:]], test=frame[order[:cut]], target=target, drop=drop)


def _titanic(split: int) -> DataSet:
    """Return a split without the column ``alive``, which is the target in words."""
    return _split(_read("titanic/titanic.csv"), "survived", split, drop=("alive",))


def _from_sklearn(name: str, *, classes: bool, scaled: dict[str, Any] | None = None) -> Load:
    def load(split: int) -> DataSet:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")(**(scaled or {}))
        columns = {f"x{index}": bunch.data[:, index] for index in range(bunch.data.shape[1])}
        target = [f"class {value}" for value in bunch.target] if classes else bunch.target.astype(float)
        return _split(pl.DataFrame({**columns, "target": target}), "target", split)

    return load


TABLES: dict[str, Load] = {
    "adult": _with_test_file("adult", "income"),
    "california_housing": _with_test_file("california_housing", "median_house_value"),
}

# There are so few test rows that one row is up to a percent: several splits are more reliable than one.
SMALL_TABLES: dict[str, Load] = {
    "titanic": _titanic,
    "breast_cancer": _from_sklearn("breast_cancer", classes=True),
    "diabetes": _from_sklearn("diabetes", classes=False, scaled={"scaled": False}),
    "wine": _from_sklearn("wine", classes=True),
    "digits": _from_sklearn("digits", classes=True),
}

TEXTS: dict[str, Load] = {"ag_news": _with_test_file("ag_news", "topic")}


def _arrays(folder: str) -> Load:
    def load(split: int) -> DataSet:
        files = [data_file(f"{folder}/{name}.npz") for name in ("train", "test")]
        learn, test = (read_image_arrays(file.name, file) for file in files)
        return DataSet(learn=learn.frame, test=test.frame, target=LABEL, image=learn.shape)

    return load


IMAGES: dict[str, Load] = {"mnist": _arrays("mnist")}
