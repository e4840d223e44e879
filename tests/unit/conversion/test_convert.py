"""Models that were trained elsewhere become ONNX files with raw columns and the same predictions."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import sys
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import polars as pl
import pytest
import sklearn
import torch
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.contracts.errors import InvalidModelError, UnreadableDatasetError
from pipeline.conversion.convert import convert
from pipeline.conversion.loading import convert_file
from pipeline.conversion.sample import Sample, read_sample
from pipeline.conversion.worker import main

RANDOM = np.random.default_rng(3)
NUMBERS = RANDOM.normal(size=(120, 3)).astype(np.float32)
CLASSES = (NUMBERS.sum(axis=1) > 0).astype(int)


def sample_file(folder: Path, columns: int = 3) -> Path:
    path = folder / "rows.csv"
    pl.DataFrame({f"x{index}": NUMBERS[:, index] for index in range(columns)}).write_csv(path)
    return path


def converted(model: object, folder: Path, columns: int = 3) -> dict[str, object]:
    file = folder / "model.joblib"
    joblib.dump(model, file)
    return main(file, sample_file(folder, columns), folder / "model.onnx")


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(10, random_state=0).fit(NUMBERS, CLASSES),
        LGBMClassifier(n_estimators=5, verbose=-1).fit(NUMBERS, CLASSES),
        make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, np.array(["no", "yes"])[CLASSES]),
    ],
    ids=["forest", "lightgbm", "pipeline"],
)
def test_a_pickled_classifier_predicts_the_same_in_onnx(model: object, tmp_path: Path) -> None:
    document = converted(model, tmp_path)
    assert (document["rows"], document["equal"]) == (120, 120)
    assert document["columns"] == ["x0", "x1", "x2"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:skl2onnx", "ignore::DeprecationWarning:onnx")
def test_a_pickled_regressor_predicts_the_same_in_onnx(tmp_path: Path) -> None:
    model = HistGradientBoostingRegressor(max_iter=5).fit(NUMBERS[:, :2], NUMBERS[:, 2])
    assert converted(model, tmp_path, columns=2)["equal"] == 120


def test_a_pipeline_over_a_data_frame_reads_columns_by_name(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": NUMBERS[:, 0], "town": np.where(NUMBERS[:, 1] > 0, "Bergen", "Oslo")})
    steps = ColumnTransformer([("n", StandardScaler(), ["size"]), ("c", OneHotEncoder(), ["town"])])
    joblib.dump(make_pipeline(steps, LogisticRegression()).fit(frame, CLASSES), tmp_path / "model.pkl")
    frame.assign(unread=1.0)[["unread", "town", "size"]].to_csv(tmp_path / "rows.csv", index=False)
    document = main(tmp_path / "model.pkl", tmp_path / "rows.csv", tmp_path / "model.onnx")
    assert (document["columns"], document["equal"]) == (["size", "town"], 120)


@pytest.mark.skipif(importlib.util.find_spec("catboost") is None, reason="needs CatBoost")
def test_a_catboost_file_predicts_the_same_in_onnx(tmp_path: Path) -> None:
    from catboost import CatBoostClassifier, CatBoostRegressor

    for name, model in (
        ("classes", CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False).fit(NUMBERS, CLASSES)),
        ("values", CatBoostRegressor(iterations=5, verbose=0, allow_writing_files=False).fit(NUMBERS, NUMBERS[:, 0])),
    ):
        model.save_model(str(tmp_path / f"{name}.cbm"))
        document = main(tmp_path / f"{name}.cbm", sample_file(tmp_path), tmp_path / f"{name}.onnx")
        assert document["equal"] == 120


def write_network(folder: Path, code: str) -> Path:
    network = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    torch.save(network.state_dict(), folder / "net.pt")
    (folder / "model.py").write_text(code)
    return folder / "net.pt"


BUILD = """
from torch import nn

def build():
    return nn.Sequential(nn.Linear(3, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
"""


def test_a_torch_state_with_a_model_py_predicts_the_same_in_onnx(tmp_path: Path) -> None:
    state = write_network(tmp_path, BUILD.replace("WIDTH", "16"))
    assert main(state, sample_file(tmp_path), tmp_path / "net.onnx")["equal"] == 120
    assert b".py" not in (tmp_path / "net.onnx").read_bytes()  # torch records a stack trace for each node


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (BUILD.replace("WIDTH", "8"), "does not fit the module"),
        ("def build():\n    return 1\n", "a torch module is expected"),
        ("raise KeyError('x')\n", "model.py raised KeyError"),
        ("x = 1\n", "model.py raised AttributeError"),
    ],
)
def test_a_model_py_that_does_not_fit_is_refused_with_the_reason(code: str, reason: str, tmp_path: Path) -> None:
    state = write_network(tmp_path, code)
    with pytest.raises(InvalidModelError, match=reason):
        convert_file(state, read_sample(sample_file(tmp_path)))


def test_a_torch_state_without_model_py_is_refused_with_the_reason(tmp_path: Path) -> None:
    state = write_network(tmp_path, "")
    (tmp_path / "model.py").unlink()
    with pytest.raises(InvalidModelError, match=r"model\.py is expected"):
        convert_file(state, read_sample(sample_file(tmp_path)))


class Raising:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1/0",)


class Absent:
    pass


def refuse(model: object, folder: Path, reason: str) -> None:
    file = folder / "model.pkl"
    file.write_bytes(pickle.dumps(model))
    with pytest.raises(InvalidModelError, match=reason):
        convert_file(file, read_sample(sample_file(folder)))


def test_a_pickle_that_cannot_be_converted_is_refused_with_the_reason(tmp_path: Path) -> None:
    refuse(Raising(), tmp_path, "raised ZeroDivisionError")
    refuse({"a": 1}, tmp_path, "holds a dict")
    refuse(LogisticRegression(), tmp_path, "not fitted")
    refuse(RidgeClassifier().fit(NUMBERS, CLASSES), tmp_path, "predict_proba")
    refuse(LogisticRegression().fit(NUMBERS[:, :2], CLASSES), tmp_path, "3 columns, and the model reads 2")
    (tmp_path / "model.pkl").write_bytes(b"nonsense")
    with pytest.raises(InvalidModelError, match="not a pickle"):
        convert_file(tmp_path / "model.pkl", read_sample(sample_file(tmp_path)))
    (tmp_path / "model.pkl").write_bytes(b"\x80\x05\x8c")  # raises an error without a text
    with pytest.raises(InvalidModelError, match=r"model\.pkl .*[^: ]$"):
        convert_file(tmp_path / "model.pkl", read_sample(sample_file(tmp_path)))


@pytest.mark.parametrize("file", ["model.txt", "model.ubj"])
def test_a_native_file_of_a_booster_is_refused_with_the_way_to_save_it(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_bytes(b"tree")
    with pytest.raises(InvalidModelError, match=r"joblib\.dump"):
        convert_file(tmp_path / file, read_sample(sample_file(tmp_path)))


def test_a_pickle_of_a_missing_library_is_refused_with_the_library(tmp_path: Path) -> None:
    library = ModuleType("missing_library")
    Absent.__module__, library.Absent = "missing_library", Absent  # type: ignore[attr-defined]
    sys.modules["missing_library"] = library
    content = pickle.dumps(Absent())
    del sys.modules["missing_library"]
    (tmp_path / "model.pkl").write_bytes(content)
    with pytest.raises(InvalidModelError, match="'missing_library'"):
        convert_file(tmp_path / "model.pkl", read_sample(sample_file(tmp_path)))


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression().fit(NUMBERS, NUMBERS[:, :2]),
        RandomForestClassifier(2, random_state=0).fit(NUMBERS, NUMBERS[:, :2] > 0),
    ],
    ids=["regression", "classification"],
)
def test_an_estimator_of_several_targets_is_refused(model: object, tmp_path: Path) -> None:
    joblib.dump(model, tmp_path / "model.joblib")
    with pytest.raises(InvalidModelError, match=rf"{type(model).__name__} predicts 2 values for a row"):
        convert_file(tmp_path / "model.joblib", read_sample(sample_file(tmp_path)))


def test_a_pickle_of_another_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    content = pickle.dumps(RidgeClassifier().fit(NUMBERS, CLASSES))
    current = sklearn.__version__.encode()
    assert content.count(current) == 1
    (tmp_path / "model.pkl").write_bytes(content.replace(current, b"0.9.0".ljust(len(current), b"1")))
    with pytest.raises(InvalidModelError, match=rf"predict_proba.*scikit-learn 0\.9\.0.*this is {sklearn.__version__}"):
        convert_file(tmp_path / "model.pkl", read_sample(sample_file(tmp_path)))


def test_a_pickle_of_a_removed_class_is_refused_with_the_class(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"csklearn.linear_model\nOldRegression\n.")
    with pytest.raises(InvalidModelError, match=r"scikit-learn \(this is .*'OldRegression'"):
        convert_file(tmp_path / "model.pkl", read_sample(sample_file(tmp_path)))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"\.joblib"):
        convert_file(tmp_path / "model.txt", Sample(frame=pl.DataFrame(), file="rows.csv"))


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_a_keras_file_without_tensorflow_is_refused_with_the_missing_library(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="'tensorflow'"):
        convert_file(tmp_path / "model.keras", Sample(frame=pl.DataFrame(), file="rows.csv"))


@pytest.mark.parametrize("content", ["", "a,b\n", "\x00\x01\x02"])
def test_a_sample_without_rows_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(UnreadableDatasetError, match=r"rows\.csv"):
        read_sample(tmp_path / "rows.csv")


class Spy:
    """A pickle that writes the environment of the process that loads it to a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"import json, os; open({self.path!r}, 'w').write(json.dumps(dict(os.environ)))",)


def test_a_pickle_is_loaded_by_a_process_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spy.pkl").write_bytes(pickle.dumps(Spy(str(tmp_path / "seen.json"))))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MODELDROP_API_KEY", "secret")
    with pytest.raises(InvalidModelError, match="NoneType"):
        convert(tmp_path / "spy.pkl", sample_file(tmp_path), tmp_path / "spy.onnx")
    environment = json.loads((tmp_path / "seen.json").read_text())
    assert not {name for name, value in environment.items() if value == "secret"}


class Crash:
    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (7,)


def test_a_pickle_that_ends_its_process_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "crash.pkl").write_bytes(pickle.dumps(Crash()))
    with pytest.raises(InvalidModelError, match="ended the process"):
        convert(tmp_path / "crash.pkl", sample_file(tmp_path), tmp_path / "crash.onnx")
