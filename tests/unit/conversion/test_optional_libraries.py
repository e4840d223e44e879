"""XGBoost, Keras and TensorFlow, if installed; CI does not install them, since they are large."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.worker import main

RANDOM = np.random.default_rng(5)
ROWS = RANDOM.standard_normal((80, 8)).astype(np.float32)
CLASSES = (ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 0)


def _sample(folder: Path, rows: Any) -> Path:
    path = folder / "rows.csv"
    pl.DataFrame({f"x{index}": rows[:, index] for index in range(rows.shape[1])}).write_csv(path)
    return path


needs_xgboost = pytest.mark.skipif(importlib.util.find_spec("xgboost") is None, reason="needs xgboost")
needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None or importlib.util.find_spec("tf2onnx") is None,
    reason="needs tensorflow and tf2onnx",
)


@needs_xgboost
@pytest.mark.parametrize("name", ["XGBClassifier", "XGBRFClassifier", "XGBRegressor", "XGBRFRegressor"])
def test_trees_of_xgboost_predict_the_same_in_onnx(name: str, tmp_path: Path) -> None:
    import xgboost

    rows = ROWS.copy()
    rows[::7, 2] = np.nan
    targets = {
        "XGBClassifier": CLASSES,
        "XGBRFClassifier": CLASSES > 0,
    }  # the converter supports only two classes for forests
    model = getattr(xgboost, name)(n_estimators=5).fit(rows, targets.get(name, ROWS[:, 0]))
    joblib.dump(model, tmp_path / "model.joblib")
    document = main(tmp_path / "model.joblib", _sample(tmp_path, rows), tmp_path / "model.onnx")
    assert (document["rows"], document["equal"]) == (80, 80)


@needs_xgboost
def test_a_booster_without_trees_is_refused_with_its_kind(tmp_path: Path) -> None:
    from xgboost import XGBRegressor

    joblib.dump(XGBRegressor(booster="gblinear").fit(ROWS, ROWS[:, 0]), tmp_path / "model.joblib")
    with pytest.raises(InvalidModelError, match="booster is 'gblinear', and gbtree is expected"):
        main(tmp_path / "model.joblib", _sample(tmp_path, ROWS), tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of two networks of Keras tutorials, 784-128-10 and 8-16-1, in each format of Keras."""
    import keras

    folder = tmp_path_factory.mktemp("keras")
    layers = keras.layers
    digits = keras.Sequential(
        [keras.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]
    )
    digits.save(folder / "digits.keras")
    digits.save(folder / "digits.h5")
    digits.export(folder / "digits_saved", verbose=False)
    keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="relu"), layers.Dense(1)]).save(
        folder / "values.keras"
    )
    return folder


@needs_keras
@pytest.mark.filterwarnings("ignore")  # warnings of TensorFlow itself
@pytest.mark.parametrize(
    ("file", "width", "outputs"),
    [("digits.keras", 784, 10), ("digits.h5", 784, 10), ("digits_saved", 784, 10), ("values.keras", 8, 1)],
)
def test_keras_networks_predict_the_same_in_onnx(
    file: str, width: int, outputs: int, keras_files: Path, tmp_path: Path
) -> None:
    import onnx

    rows = RANDOM.random((20, width)).astype(np.float32)
    document = main(keras_files / file, _sample(tmp_path, rows), tmp_path / "model.onnx")
    assert (document["rows"], document["equal"], len(document["columns"])) == (20, 20, width)
    (output,) = onnx.load(tmp_path / "model.onnx").graph.output
    assert output.type.tensor_type.shape.dim[1].dim_value == outputs


@needs_keras
@pytest.mark.filterwarnings("ignore")
def test_a_file_that_is_not_a_keras_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"nothing")
    (tmp_path / "saved").mkdir()
    for file in ("model.keras", "saved"):
        with pytest.raises(InvalidModelError, match=f"{file} is no "):
            main(tmp_path / file, _sample(tmp_path, ROWS), tmp_path / "model.onnx")
