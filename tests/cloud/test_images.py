"""A zip of colored shapes is dropped, and images are predicted."""

from __future__ import annotations

import base64
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.fakes.imaging import SHAPES, draw
from tests.helpers.cloud_driver import Cloud

pytestmark = pytest.mark.cloud

SPEC = b"""
algorithms: [cnn]
training: {epochs: 8, hidden: [8, 16], batch_size: 32, learning_rate: 0.01, early_stopping: 8}
"""


def png(shape: str, random: np.random.Generator, side: int) -> bytes:
    body = io.BytesIO()
    Image.fromarray(draw(shape, random, side=side, channels=3)).save(body, "PNG")
    return body.getvalue()


def archive(images: int) -> bytes:
    """Make a zip of images of two sizes, with one file that is not an image."""
    random = np.random.default_rng(0)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as out:
        for number in range(images):
            shape = SHAPES[number % len(SHAPES)]
            out.writestr(f"shapes/{shape}/{number}.png", png(shape, random, 16 if number % 5 else 18))
        out.writestr(f"shapes/{SHAPES[0]}/broken.png", b"\x89PNG, and no more")
        out.writestr("__MACOSX/shapes/._x.png", b"junk")
    return body.getvalue()


def test_a_zip_of_images_becomes_a_model_that_predicts_images(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/shapes/train.yaml", Body=SPEC)
    run = cloud.drop_and_end("demo/shapes/shapes.zip", archive(300))
    assert run.status == "SUCCEEDED", run.error
    dataset = cloud.document(run.run, "dataset")
    assert (dataset["set_aside"], dataset["classes"]) == (1, sorted(SHAPES))
    assert dataset["columns"][0]["shape"] == [16, 16, 3]
    (model_input,) = cloud.get("/v2/models/shapes").json()["inputs"]
    assert model_input == {"name": "image", "datatype": "UINT8", "shape": [-1, 16, 16, 3]}

    random = np.random.default_rng(1)
    expected = [shape for shape in SHAPES for _ in range(10)]
    rows = [{"image": {"b64": base64.b64encode(png(shape, random, 24)).decode()}} for shape in expected[:1]]
    rows += [{"image": draw(shape, random, channels=3).tolist()} for shape in expected[1:]]
    answer = cloud.post("/v2/models/shapes/infer", {"rows": rows})
    assert answer.status_code == 200, answer.text
    predicted = [prediction["label"] for prediction in answer.json()["predictions"]]
    assert np.mean([label == shape for label, shape in zip(predicted, expected, strict=True)]) > 0.8

    refused = cloud.post("/v2/models/shapes/infer", {"rows": [{"image": {"b64": "bm8="}}]})
    assert refused.status_code == 400
    assert "a png or jpg is expected" in refused.json()["error"]
