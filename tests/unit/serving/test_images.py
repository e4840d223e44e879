"""Images in requests."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import make_session_factory

GRAY, COLOR = (4, 5, 1), (3, 2, 3)


def model(shape: tuple[int, ...]) -> LoadedModel:
    """A model whose value is the sum of the pixels, each multiplied by its position."""
    size = int(np.prod(shape))
    signature = Signature(task="regression", target="sum", columns=(Column(name="image", kind="image", shape=shape),))
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("MatMul", ["flat", "places"], ["sums"]),
        helper.make_node("Reshape", ["sums", "one"], ["value"]),
    ]
    constants = {"places": np.arange(1, size + 1, dtype=np.float32)[:, None], "one": np.array([-1])}
    graph = helper.make_graph(
        nodes,
        "served",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", *shape])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    file = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    onnx.checker.check_model(file)
    session = make_session_factory(1)(file.SerializeToString())
    return LoadedModel(tenant="demo", model="sums", version=1, signature=signature, session=session)


MODELS = {shape: model(shape) for shape in (GRAY, COLOR)}


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def png(image: np.ndarray[Any, Any], form: str = "PNG") -> str:
    body = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(body, form)
    return base64.b64encode(body.getvalue()).decode()


def value(image: np.ndarray[Any, Any]) -> float:
    return float((image.reshape(-1) * np.arange(1.0, image.size + 1)).sum())


def values(document: str) -> list[float]:
    return [prediction["value"] for prediction in json.loads(document)["predictions"]]


@pytest.mark.parametrize("shape", [GRAY, COLOR])
@pytest.mark.parametrize("rows", [1, 3])
def test_rows_hold_numbers_or_images(shape: tuple[int, ...], rows: int) -> None:
    images = [pixels(shape, seed) for seed in range(rows)]
    expected = [value(image) for image in images]
    for encode in (lambda image: image.tolist(), lambda image: {"b64": png(image)}):
        document = {"rows": [{"image": encode(image)} for image in images]}
        assert values(infer_document(MODELS[shape], document).body) == expected


def test_a_gray_image_may_omit_the_channel() -> None:
    image = pixels(GRAY)
    assert values(infer_document(MODELS[GRAY], {"rows": [{"image": image[:, :, 0].tolist()}]}).body) == [value(image)]


def test_an_image_of_another_size_and_mode_is_converted() -> None:
    picture = np.full((30, 40, 3), 200, np.uint8)
    for form in ("PNG", "JPEG"):
        (predicted,) = values(infer_document(MODELS[GRAY], {"rows": [{"image": {"b64": png(picture, form)}}]}).body)
        assert predicted == pytest.approx(value(np.full(GRAY, 200)), rel=0.01)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("shape", [GRAY, COLOR])
def test_images_may_be_uint8_tensors(shape: tuple[int, ...], *, nested: bool) -> None:
    images = np.stack([pixels(shape, seed) for seed in range(3)])
    data = images.tolist() if nested else images.reshape(-1).tolist()
    tensor = {"name": "image", "shape": list(images.shape), "datatype": "UINT8", "data": data}
    (output,) = json.loads(infer_document(MODELS[shape], {"inputs": [tensor]}).body)["outputs"]
    assert output["data"] == [value(image) for image in images]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (None, "an image of 4 x 5 numbers .height x width., or .* is expected, this is null"),
        (7, "this is a number"),
        ([[1, 2], [3, 4]], "this is one of 2 x 2"),
        ([[1, 2], [3]], "whole numbers from 0 to 255 is expected, this is one whose rows are of different lengths"),
        ([["a"] * 5] * 4, "this is one with something else"),
        ([[256] * 5] * 4, "this is one with other numbers"),
        ([[0.5] * 5] * 4, "this is one with other numbers"),
        ([[True] * 5] * 4, "this is one with something else"),
        ([[2**70] * 5] * 4, "this is one with something else"),
        ({"b64": 3}, "a png or jpg is expected of an object, this is one whose b64 is a number"),
        ({"png": "x"}, "this is one with other keys"),
        ({"b64": "!"}, "base64 of a png or jpg is expected, this is other text"),
        ({"b64": "aGVsbG8="}, "a png or jpg is expected, this is one that is not a complete png or jpg"),
    ],
)
def test_a_cell_that_is_not_an_image_is_refused_with_the_place(cell: Any, message: str) -> None:
    good = {"image": pixels(GRAY).tolist()}
    with pytest.raises(InvalidRequestError, match=rf"rows\[1\], column 'image': .*{message}"):
        infer_document(MODELS[GRAY], {"rows": [good, {"image": cell}]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [1, 5, 4, 1]}, r"input 'image': the shape \[n, 4, 5, 1\] is expected"),
        ({"shape": [2, 4, 5, 1]}, "its shape has 40 elements, its data 20"),
        ({"shape": [0, 4, 5, 1], "data": []}, r"the shape \[n, 4, 5, 1\] is expected"),
        ({"shape": 20}, r"the shape \[n, 4, 5, 1\] is expected"),
        ({"data": [0.5] * 20}, "whole numbers from 0 to 255 is expected"),
        ({"datatype": "FP32"}, "datatype: one of UINT8 is expected"),
    ],
)
def test_an_invalid_image_tensor_is_refused(change: dict[str, Any], message: str) -> None:
    tensor = {"name": "image", "shape": [1, 4, 5, 1], "datatype": "UINT8", "data": [0] * 20}
    with pytest.raises(InvalidRequestError, match=message):
        infer_document(MODELS[GRAY], {"inputs": [tensor | change]})


numbers = st.integers(-1, 256) | st.floats(0, 255) | st.none() | st.text(max_size=2)
cells = st.recursive(numbers, lambda inner: st.lists(inner, max_size=5), max_leaves=25)
pictures = st.fixed_dictionaries({"b64": st.binary(max_size=20).map(lambda body: base64.b64encode(body).decode())})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({"image": cells | pictures}), min_size=1, max_size=2))
def test_any_cell_is_predicted_or_refused(rows: list[dict[str, Any]]) -> None:
    try:
        assert infer_document(MODELS[GRAY], {"rows": rows}).facts["rows"] == len(rows)
    except InvalidRequestError as error:
        assert "column 'image'" in str(error)  # noqa: PT017 - either is right
