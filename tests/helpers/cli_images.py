"""A signature of an image model, and images for it."""

from __future__ import annotations

import io

from PIL import Image

from pipeline.contracts.signature import Column, Signature

__all__ = ["IMAGES", "make_png"]

IMAGES = Signature(
    task="classification",
    target="label",
    columns=(Column(name="image", kind="image", shape=(4, 5, 1)),),
    classes=("no", "yes"),
)


def make_png(value: int, size: tuple[int, int] = (5, 4)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, value).save(file, "png")
    return file.getvalue()
