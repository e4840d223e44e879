"""Images: arrays in an npz file, folders in a zip file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.contracts.errors import DatasetError
from pipeline.contracts.image_decoding import UnreadableImageError, decode_image
from tests.unit.validation.conftest import Validated

Drop = Callable[..., Validated]


def arrays(**named: Any) -> bytes:
    body = io.BytesIO()
    np.savez_compressed(body, **named)
    return body.getvalue()


def digits(count: int = 60, *shape: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, *(shape or (9, 8))), np.uint8), np.arange(count) % 3


def picture(size: tuple[int, int] = (12, 10), *, mode: str = "RGB", form: str = "PNG", seed: int = 0) -> bytes:
    random = np.random.default_rng(seed)
    body = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode).save(body, form)
    return body.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


def pictures(count: int = 40, **options: Any) -> dict[str, bytes]:
    return {f"{'cat' if n % 2 else 'dog'}/{n}.png": picture(seed=n, **options) for n in range(count)}


def pixels(validated: Validated, split: str = "train") -> NDArray[np.uint8]:
    (column,) = validated.dataset.columns
    bodies = validated.split(split)["image"].to_list()
    return np.stack([np.frombuffer(body, np.uint8).reshape(column.shape) for body in bodies])


def test_arrays_become_one_image_column_and_the_label(drop: Drop) -> None:
    images, labels = digits()
    validated = drop("digits.npz", arrays(images=images, labels=labels))
    (column,) = validated.dataset.columns
    assert (column.name, column.kind, column.shape) == ("image", "image", (9, 8, 1))
    assert (validated.dataset.task, validated.dataset.target, validated.dataset.classes) == (
        "classification",
        "label",
        ("0", "1", "2"),
    )
    assert sum(validated.dataset.rows.model_dump().values()) == 60
    stored_images = {body for split in validated.splits.values() for body in split["image"]}
    assert stored_images == {image.tobytes() for image in images}


@pytest.mark.parametrize(
    "convert",
    [
        lambda images: images / np.float32(255),
        lambda images: images.astype(np.float64),
        lambda images: images.astype(np.int64),
    ],
)
def test_pixels_may_be_numbers_up_to_255_or_fractions(drop: Drop, convert: Callable[..., Any]) -> None:
    images, labels = digits()
    validated = drop("digits.npz", arrays(x=convert(images), y=labels))
    assert {image.tobytes() for image in pixels(validated)} <= {image.tobytes() for image in images}


def test_channels_may_come_first_and_labels_may_be_text(drop: Drop) -> None:
    images, labels = digits(40, 3, 8, 9)
    validated = drop("digits.npz", arrays(X=images, target=np.array(["no", "yes"])[labels % 2]))
    assert validated.dataset.columns[0].shape == (8, 9, 3)
    assert validated.dataset.classes == ("no", "yes")
    assert {image.tobytes() for image in pixels(validated)} <= {i.transpose(1, 2, 0).tobytes() for i in images}


def test_large_image_arrays_are_resized(drop: Drop) -> None:
    images, labels = digits(40, 200, 100)
    validated = drop("digits.npz", arrays(images=images, labels=labels))
    assert validated.dataset.columns[0].shape == (96, 48, 1)
    assert "images of 200 x 100 pixels are resized to 96 x 48" in validated.dataset.warnings


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"images": digits()[0]}, "no array of labels"),
        ({"pictures": digits()[0], "labels": digits()[1]}, "no array of images.*'pictures', 'labels'"),
        ({"images": digits()[0], "labels": digits(59)[1]}, "60 images, and labels of shape 59"),
        ({"images": digits()[0], "labels": np.zeros(60, int)}, "'label' is constant"),
        ({"images": digits(60, 64)[0], "labels": digits()[1]}, "of shape 60 x 64: images x height x width"),
        ({"images": digits(60, 8, 8, 7)[0], "labels": digits()[1]}, "1 .grey. or 3 .red, green, blue. channels"),
        ({"images": digits()[0] * 3.0, "labels": digits()[1]}, "from 0 to 765: 0 to 255, or 0 to 1"),
        ({"images": np.full((60, 8, 8), np.nan), "labels": digits()[1]}, "from nan to nan"),
        ({"images": np.array([{}] * 60), "labels": digits()[1]}, "'images' is of object: numbers are expected"),
        ({"images": np.zeros((0, 8, 8)), "labels": np.zeros(0)}, "1 to 1,000,000 images are expected"),
    ],
)
def test_invalid_image_arrays_are_refused(drop: Drop, named: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        drop("digits.npz", arrays(**named))


def test_an_array_whose_header_claims_too_many_bytes_is_refused(drop: Drop) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**3, 10**3)}
    )
    body = zipped({"images.npy": header.getvalue(), "labels.npy": header.getvalue()})
    with pytest.raises(DatasetError, match="1,000,000,000,000 bytes: at most"):
        drop("bomb.npz", body)


@pytest.mark.parametrize("cut", [0, 10, 200, -40])
def test_a_broken_npz_is_refused(drop: Drop, cut: int) -> None:
    images, labels = digits()
    with pytest.raises(DatasetError, match=r"'digits\.npz' is not a complete npz file"):
        drop("digits.npz", arrays(images=images, labels=labels)[:cut])


def test_folders_are_classes_and_images_are_resized_to_the_median_size(drop: Drop) -> None:
    files = pictures(38) | {
        "cat/wide.jpg": picture((60, 20), form="JPEG"),
        "dog/tall.jpeg": picture((5, 99), form="JPEG"),
    }
    validated = drop("animals.zip", zipped(files))
    assert validated.dataset.classes == ("cat", "dog")
    assert validated.dataset.columns[0].shape == (10, 12, 3)
    assert sum(validated.dataset.rows.model_dump().values()) == 40
    assert "2 of 40 images resized to 10 x 12 pixels (height x width)" in validated.dataset.warnings


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("1", 1), ("P", 3), ("RGBA", 3), ("LA", 1), ("I;16", 1)])
def test_image_modes_become_gray_or_color(drop: Drop, mode: str, channels: int) -> None:
    options = {"mode": "L" if mode == "I;16" else mode}
    files = pictures(**options)
    if mode == "I;16":
        body = io.BytesIO()
        Image.fromarray(np.full((10, 12), 65535, np.uint16)).save(body, "PNG")
        files["cat/deep.png"] = body.getvalue()
    validated = drop("animals.zip", zipped(files))
    assert validated.dataset.columns[0].shape == (10, 12, channels)


def test_gray_images_saved_in_color_are_gray(drop: Drop) -> None:
    files = pictures(mode="L")
    body = io.BytesIO()
    Image.open(io.BytesIO(files["cat/1.png"])).convert("RGB").save(body, "PNG")
    validated = drop("animals.zip", zipped(files | {"cat/1.png": body.getvalue()}))
    assert validated.dataset.columns[0].shape == (10, 12, 1)


def test_images_that_do_not_decode_are_rejected_and_counted(drop: Drop) -> None:
    complete_image = picture(seed=99)
    files = pictures(58) | {"cat/cut.png": complete_image[: len(complete_image) // 2], "dog/text.jpg": b"not an image"}
    validated = drop("animals.zip", zipped(files))
    assert validated.dataset.set_aside == 2
    assert sum(validated.dataset.rows.model_dump().values()) == 58
    assert {row["image"] for row in validated.set_aside} == {"cat/cut.png", "dog/text.jpg"}
    assert any("2 unreadable images rejected" in warning for warning in validated.dataset.warnings)


@pytest.mark.parametrize("before", ["", "animals/", "animals/train/", "a/b/c/"])
def test_parent_folders_and_system_files_are_ignored(drop: Drop, before: str) -> None:
    files = {f"{before}{name}": body for name, body in pictures().items()}
    junk = {f"__MACOSX/{before}cat/._1.png": b"x", f"{before}.DS_Store": b"x", f"{before}cat/Thumbs.db": b"x"}
    outside = {"../../etc/cat/1.png": b"x"}
    validated = drop("animals.zip", zipped(files | junk | outside))
    assert validated.dataset.classes == ("cat", "dog")
    assert validated.dataset.set_aside == 0


def test_train_and_test_folders_hold_the_classes(drop: Drop) -> None:
    files = {f"{'train' if n % 3 else 'test'}/{name}": body for n, (name, body) in enumerate(pictures().items())}
    assert drop("animals.zip", zipped(files)).dataset.classes == ("cat", "dog")


def test_numbered_folders_are_classes(drop: Drop) -> None:
    files = {f"{n // 3}/{n}.png": picture(seed=n) for n in range(90)}
    validated = drop("numbers.zip", zipped(files))
    assert (validated.dataset.task, len(validated.dataset.classes)) == ("classification", 30)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no such images .0 files"),
        ({"rows.csv": b"a,b\n1,2\n"}, "holds no such images .1 file in all.: a folder for each"),
        ({f"{n}.png": picture(seed=n) for n in range(40)}, "holds no such images .40 files"),
        ({f"cat/{n}.png": picture(seed=n) for n in range(40)}, "only images of 'cat'"),
        (pictures(10), "10 rows to learn from"),
        (
            pictures(36) | {f"cat/x{n}.png": b"x" for n in range(4)},
            "4 of 40 images cannot be read, .*: 'cat/x0.png' is no",
        ),
    ],
)
def test_invalid_image_archives_are_refused(drop: Drop, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        drop("animals.zip", zipped(files))


def test_a_file_that_is_not_a_zip_is_refused(drop: Drop) -> None:
    with pytest.raises(DatasetError, match=r"'animals\.zip' is not a complete zip file"):
        drop("animals.zip", zipped(pictures())[:-30])


def test_an_image_that_unpacks_to_too_many_bytes_is_rejected(drop: Drop) -> None:
    bomb = b"\0" * (33 << 20)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (pictures(58) | {"cat/bomb.png": bomb}).items():
            archive.writestr(name, content)
    validated = drop("animals.zip", body.getvalue())
    assert validated.set_aside == [{"image": "cat/bomb.png", "reason": "has more than 32 MiB"}]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_decoding_a_damaged_image_gives_the_shape_or_an_unreadable_image_error(form: str) -> None:
    random = np.random.default_rng(0)
    for n in range(200):
        body = bytearray(picture(form=form, seed=n))
        for offset in random.integers(8, len(body), 4):
            body[offset] = random.integers(0, 256)
        with suppress(UnreadableImageError):
            assert decode_image(bytes(body), (8, 9, 3)).shape == (8, 9, 3)


def test_test_images_of_another_size_are_resized_like_the_data(drop: Drop) -> None:
    test_zip = zipped(pictures(9, size=(30, 30)))
    validated = drop("animals.zip", zipped(pictures()), companions={"test.zip": test_zip})
    assert validated.dataset.rows.test == 9
    assert pixels(validated, "test").shape == (9, 10, 12, 3)
