"""Other solutions for small or fast tree ensembles, on the rows of a data set; measured in this process."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import polars as pl
from common import alternate
from quality_data import DataSet
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split

__all__ = ["fit_peers", "measure_peers"]

ROUNDS = 100
# The Python in MODELDROP_TREE_PEERS runs it with the model's text file, a row (JSON) and a path prefix; prints JSON.
_COMPILERS = """
import json, os, sys, time
import numpy as np
text, row, library = sys.argv[1], np.array(json.loads(sys.argv[2]), dtype=np.float64)[None], sys.argv[3]
found = {}
def timed(call):
    for _ in range(50): call()
    taken = []
    for _ in range(500):
        began = time.perf_counter(); call(); taken.append(time.perf_counter() - began)
    return round(float(np.median(taken)) * 1e6, 2)
try:
    import lleaves
    model = lleaves.Model(model_file=text)
    model.compile(cache=library + ".lleaves")
    taken = timed(lambda: model.predict(row, n_jobs=1))
    found["lleaves"] = {"bytes": os.path.getsize(library + ".lleaves"), "us": taken}
except Exception as error:
    found["lleaves"] = {"error": f"{type(error).__name__}: {error}"[:200]}
try:
    import tl2cgen, treelite
    model = treelite.frontend.load_lightgbm_model(text)
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library + ".so", params={"parallel_comp": 4})
    predictor = tl2cgen.Predictor(library + ".so", nthread=1)
    batch = tl2cgen.DMatrix(row.astype(np.float64), dtype="float64")
    taken = timed(lambda: predictor.predict(batch))
    found["treelite (tl2cgen)"] = {"bytes": os.path.getsize(library + ".so"), "us": taken}
    model.serialize(library + ".tl")
    found["treelite (its own file)"] = {"bytes": os.path.getsize(library + ".tl")}
except Exception as error:
    found["treelite"] = {"error": f"{type(error).__name__}: {error}"[:200]}
print(json.dumps(found))
"""


def fit_peers(data_set: DataSet, folder: Path) -> None:
    """Fit and store LightGBM, with early stopping on a tenth of the rows, and a forest of 100 trees, untimed."""
    learn, target = _numbers(data_set, data_set.learn), _target(data_set, data_set.learn)
    x, x_stop, y, y_stop = train_test_split(learn, target, test_size=0.1, random_state=0)
    options = {
        "objective": "regression" if _is_regression(data_set) else "binary", "learning_rate": 0.02, "num_leaves": 15,
        "feature_fraction": 0.5, "num_threads": 1, "verbose": -1, "seed": 0,
    }  # fmt: skip
    booster = lightgbm.train(
        options, lightgbm.Dataset(x, y), 4000, valid_sets=[lightgbm.Dataset(x_stop, y_stop)],
        callbacks=[lightgbm.early_stopping(100, verbose=False)],
    )  # fmt: skip
    (folder / "booster.txt").write_text(booster.model_to_string(num_iteration=booster.best_iteration))
    kind = RandomForestRegressor if _is_regression(data_set) else RandomForestClassifier
    forest = kind(n_estimators=100, n_jobs=1, random_state=0).fit(learn, target)
    joblib.dump(forest, folder / "forest.joblib")
    joblib.dump(forest, folder / "forest.xz", compress=("xz", 6))


def measure_peers(data_set: DataSet, folder: Path) -> dict[str, Any]:
    """Return the measurements of the models that fit_peers stored in ``folder``."""
    test, test_target, is_regression = (
        _numbers(data_set, data_set.test),
        _target(data_set, data_set.test),
        _is_regression(data_set),
    )
    text = (folder / "booster.txt").read_text()
    booster = lightgbm.Booster(model_str=text)
    forest = joblib.load(folder / "forest.joblib")
    medians = alternate(
        {"booster": lambda: booster.predict(test[:1], num_threads=1), "forest": lambda: forest.predict(test[:1])},
        ROUNDS,
    )

    def quality(predicted: Any) -> dict[str, float]:
        if is_regression:
            return {"rmse": round(float(root_mean_squared_error(test_target, predicted)), 2)}
        return {"log_loss": round(float(log_loss(test_target, predicted)), 5)}

    forest_predictions = forest.predict(test) if is_regression else forest.predict_proba(test)[:, 1]
    peers: dict[str, Any] = {
        "LightGBM, text file": {
            "bytes": len(text), "trees": booster.num_trees(), "us": medians["booster"],
            **quality(booster.predict(test)),
        },
        "LightGBM, text file, gzip -9": {"bytes": len(gzip.compress(text.encode(), 9))},
        "scikit-learn forest of 100 trees, joblib": {
            "bytes": (folder / "forest.joblib").stat().st_size, "us": medians["forest"], **quality(forest_predictions),
        },
        "scikit-learn forest, joblib, xz 6": {"bytes": (folder / "forest.xz").stat().st_size},
    }  # fmt: skip
    python = os.environ.get("MODELDROP_TREE_PEERS")
    if python:
        arguments = [
            python,
            "-c",
            _COMPILERS,
            str(folder / "booster.txt"),
            json.dumps(test[0].tolist()),
            str(folder / "peer"),
        ]
        process = subprocess.run(arguments, capture_output=True, text=True, check=False)
        lines = process.stdout.strip().splitlines()
        peers |= json.loads(lines[-1]) if lines else {"lleaves, treelite": {"error": process.stderr[-200:]}}
    return peers


def _is_regression(data_set: DataSet) -> bool:
    return bool(data_set.learn[data_set.target].dtype != pl.String)


def _numbers(data_set: DataSet, frame: pl.DataFrame) -> np.ndarray:
    """Return the columns as numbers; a category is its index among the sorted categories of the rows to learn from."""
    columns = []
    for name in (column for column in frame.columns if column != data_set.target and column not in data_set.drop):
        series = frame[name]
        if series.dtype == pl.String:
            codes = {value: number for number, value in enumerate(sorted(data_set.learn[name].drop_nulls().unique()))}
            series = series.replace_strict(codes, default=-1, return_dtype=pl.Float64)
        columns.append(series.cast(pl.Float64).fill_null(-1.0).to_numpy())
    return np.stack(columns, axis=1)


def _target(data_set: DataSet, frame: pl.DataFrame) -> np.ndarray:
    series = frame[data_set.target]
    if series.dtype == pl.String:
        return (series == sorted(data_set.learn[data_set.target].unique())[1]).cast(pl.Int64).to_numpy()
    return series.cast(pl.Float64).to_numpy()
