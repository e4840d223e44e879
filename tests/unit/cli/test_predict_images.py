"""predict: single images, folders, zips and npz files."""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.cli_images import IMAGES, make_png
from tests.unit.cli.conftest import Stage


def test_predict_sends_an_image_as_base64(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=IMAGES)
    (tmp_path / "seven.PNG").write_bytes(make_png(7))
    stage.run("predict", "m", str(tmp_path / "seven.PNG"))
    (row,) = stage.rows_sent
    assert base64.b64decode(row["image"]["b64"]) == make_png(7)


def test_predict_resizes_a_large_image_before_sending_it(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=IMAGES)
    noise = np.random.default_rng(0).integers(0, 256, (1600, 1600), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    stage.run("predict", "m", str(tmp_path / "large.png"))
    assert np.array(stage.rows_sent[0]["image"]).shape == (4, 5, 1)


def _folder(folder: Path) -> Path:
    for name, value in {"yes/1.png": 9, "no/2.png": 3, "no/3.JPG": 4, "no/.hidden.png": 5}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(make_png(value))
    return folder


def _zip(folder: Path) -> Path:
    file = folder.parent / "pictures.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, Path("scans") / path.relative_to(folder))
        archive.writestr("__MACOSX/scans/yes/1.png", b"junk")
    return file


@pytest.mark.parametrize("make", [_folder, lambda folder: _zip(_folder(folder))], ids=["folder", "zip"])
def test_predict_scores_images_by_folder_names(stage: Stage, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    stage.serve(signature=IMAGES)
    result = stage.run("predict", "m", str(make(tmp_path / "scans")))
    assert result.exit_code == 0, result.stderr
    assert [np.array(row["image"]).max() for row in stage.rows_sent] == [3, 4, 9]
    assert "accuracy 0.3333 (1 of 3 rows)" in result.stderr


def test_predict_reads_images_outside_class_folders(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=IMAGES)
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(make_png(number, (50, 40)))
    result = stage.run("predict", "m", str(tmp_path), "--rows", "2")
    assert [np.array(row["image"]).max() for row in stage.rows_sent] == [0, 1]
    assert "accuracy" not in result.stderr


def test_predict_skips_a_damaged_image_and_names_the_file(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=IMAGES)
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.png").write_bytes(make_png(1))
    result = stage.run("predict", "m", str(tmp_path))
    assert len(stage.rows_sent) == 1
    assert "'a.png'" in result.stderr


def test_predict_scores_the_images_of_an_npz_file(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=IMAGES)
    images = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    np.savez(tmp_path / "test.npz", images=images, labels=["yes", "no", "yes"])
    output = stage.run("predict", "m", str(tmp_path / "test.npz")).output
    assert [np.array(row["image"]).reshape(4, 5).tolist() for row in stage.rows_sent] == images.tolist()
    assert "2 of 3 rows" in output
