"""Models of folders: which files are served, replaced and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.errors import IntegrityError, InvalidRequestError, NotFoundError
from pipeline.server.execution.sessions import make_server_session
from pipeline.server.models.folder import FileModels, index_file, index_folder
from pipeline.server.models.model_files import load_model_file
from pipeline.server.models.tensor_model import TensorSession
from pipeline.serving.api.model_source import ModelReference
from tests.helpers.running_server import write_scaling_model


def _session(file: bytes) -> TensorSession:
    return make_server_session(file, threads=1, with_batching=False)


def _models(folder: Path, *, max_bytes: int = 1 << 20, report: Callable[[str], None] = print) -> FileModels:
    models = FileModels(lambda: index_folder(folder), _session, max_bytes=max_bytes, report=report)
    models.refresh()
    return models


def _factor(models: FileModels, name: str = "scale", version: int | None = None) -> float:
    model = models.find(ModelReference("any", name, version))
    return float(model.run({"x": np.ones((1, 2), np.float32)})[0][0, 0])


def test_the_newest_version_is_live(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        write_scaling_model(tmp_path, version=version, factor=version)
    models = _models(tmp_path)
    assert _factor(models) == 10
    assert _factor(models, version=2) == 2
    assert list(models.versions("any", "scale")) == [1, 2, 10]


@pytest.mark.parametrize("path", ["scale/one/model.onnx", "scale/0/model.onnx", "model.onnx", "a b/1/model.onnx"])
def test_other_files_are_ignored(tmp_path: Path, path: str) -> None:
    source = write_scaling_model(tmp_path / "source")
    target = tmp_path / "served" / path
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())
    assert _models(tmp_path / "served").names() == []


def test_a_damaged_new_version_is_reported_and_does_not_replace_the_live_one(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    reports: list[str] = []
    models = _models(tmp_path, report=reports.append)
    damaged = tmp_path / "scale" / "2" / "model.onnx"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no ONNX")
    models.refresh()
    models.refresh()
    assert _factor(models) == 2
    assert len(reports) == 1
    assert str(damaged) in reports[0]


def test_an_overwritten_file_is_reloaded(tmp_path: Path) -> None:
    write_scaling_model(tmp_path, factor=2)
    models = _models(tmp_path)
    write_scaling_model(tmp_path, factor=3)
    models.refresh()
    assert _factor(models) == 3


def test_the_previous_version_is_live_after_the_newest_is_removed(tmp_path: Path) -> None:
    write_scaling_model(tmp_path, version=1, factor=1)
    path = write_scaling_model(tmp_path, version=2, factor=2)
    models = _models(tmp_path)
    path.unlink()
    models.refresh()
    assert _factor(models) == 1
    with pytest.raises(NotFoundError):
        _factor(models, version=2)


def test_loaded_files_stay_within_the_byte_bound(tmp_path: Path) -> None:
    paths = [write_scaling_model(tmp_path, name=f"m{number}", factor=number) for number in range(1, 6)]
    size = paths[0].stat().st_size
    models = _models(tmp_path, max_bytes=2 * size)
    assert [_factor(models, f"m{number}") for number in range(1, 6)] == [1, 2, 3, 4, 5]
    assert models.loaded_bytes <= 2 * size


def test_an_unloaded_model_is_refused_until_it_is_loaded(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    models = _models(tmp_path)
    models.unload("any", "scale")
    with pytest.raises(NotFoundError):
        _factor(models)
    assert (models.names(), models.all_names()) == ([], ["scale"])
    models.load("any", "scale")
    assert _factor(models) == 2


def test_unknown_models_cannot_be_loaded_or_unloaded(tmp_path: Path) -> None:
    models = _models(tmp_path)
    for change in (models.load, models.unload):
        with pytest.raises(NotFoundError):
            change("any", "other")


def test_a_single_file_is_version_1_of_the_named_model(tmp_path: Path) -> None:
    path = write_scaling_model(tmp_path)
    models = FileModels(lambda: index_file(path, "mine"), _session, max_bytes=1 << 20, report=print)
    models.refresh()
    assert models.names() == ["mine"]
    assert models.live_version("any", "mine") == 1


def test_a_model_file_with_a_signature_beside_it_predicts_rows(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["area"], ["value"])],
        "identity",
        [helper.make_tensor_value_info("area", TensorProto.FLOAT, ["rows"])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["rows"])],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    signature = {
        "task": "regression",
        "target": "price",
        "columns": [{"name": "area", "kind": "numeric"}],
        "classes": [],
    }
    path.with_name("signature.json").write_text(json.dumps(signature))
    model = load_model_file(path, model="houses", version=1, make_session=_session)
    assert model.predict({"area": np.array([3], np.float32)}) == [{"value": 3}]


def test_a_missing_file_is_an_integrity_error(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        load_model_file(tmp_path / "model.onnx", model="m", version=1, make_session=_session)


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"name": "z"}, "'z'"),
        ({"datatype": "FP64"}, "FP32"),
        ({"shape": [1, 3]}, "[-1, 2]"),
        ({"shape": [2]}, "[-1, 2]"),
        ({"shape": [True, 2]}, "shape"),
        ({"shape": [2, 2]}, "4"),
        ({"data": ["a", "b"]}, "FP32"),
        ({"data": [1.0, 1e39]}, "out of the range of FP32"),
        ({"data": [None, -1e39]}, "out of the range of FP32"),
        ({"data": [[1, 2], [3]]}, "equal length"),
        ({"data": [1, [None]]}, "equal length"),
        ({"data": 7}, "array"),
    ],
)
def test_invalid_tensors_are_refused(tmp_path: Path, changes: dict[str, object], fact: str) -> None:
    path = write_scaling_model(tmp_path)
    model = load_model_file(path, model="scale", version=1, make_session=_session)
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]} | changes
    with pytest.raises(InvalidRequestError) as caught:
        model.decode_tensors([tensor])
    assert fact in str(caught.value)


@pytest.mark.parametrize("inputs", [None, [], [3], [{"name": "x"}, {"name": "x"}]])
def test_inputs_that_are_not_tensors_are_refused(tmp_path: Path, inputs: object) -> None:
    path = write_scaling_model(tmp_path)
    model = load_model_file(path, model="scale", version=1, make_session=_session)
    with pytest.raises(InvalidRequestError):
        model.decode_tensors(inputs)


def test_tensors_that_the_graph_refuses_are_an_invalid_request(tmp_path: Path) -> None:
    path = write_scaling_model(tmp_path)
    model = load_model_file(path, model="scale", version=1, make_session=_session)
    with pytest.raises(InvalidRequestError):
        model.run({"x": np.ones((1, 3), np.float32)})
