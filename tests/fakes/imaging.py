"""Small seeded images with a rule to learn: the shape that is drawn, at a random position in a random color."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from tests.fakes.tabular import Table

__all__ = ["SHAPES", "draw", "pictures"]

SHAPES = ("cross", "square", "stripe")


def draw(shape: str, random: np.random.Generator, *, side: int = 16, channels: int = 1) -> NDArray[np.uint8]:
    """Return an image uint8 [side, side, channels]: the shape on a noisy background."""
    image = random.integers(0, 60, (side, side, channels), np.uint8)
    colour = random.integers(140, 256, channels, np.uint8)
    top, left = random.integers(2, side - 10, 2)
    rows, columns = slice(top, top + 8), slice(left, left + 8)
    if shape == "cross":
        image[top + 3 : top + 5, columns] = image[rows, left + 3 : left + 5] = colour
    elif shape == "square":
        image[rows, columns] = colour
    else:
        image[top + 3 : top + 5, columns] = colour
    return image


def pictures(*, rows: int = 240, channels: int = 1, regression: bool = False, seed: int = 0) -> Table:
    """Return images, split as by validation; with ``regression``, the target is the mean of the pixels."""
    random = np.random.default_rng(seed)
    labels = [SHAPES[place % len(SHAPES)] for place in range(rows)]
    images = np.stack([draw(label, random, channels=channels) for label in labels])
    bodies = pl.Series("image", [image.tobytes() for image in images], dtype=pl.Binary)
    target = pl.Series("label", images.mean(axis=(1, 2, 3)) if regression else labels)
    frame = pl.DataFrame([bodies, target])
    cut = rows * 3 // 4
    dataset = Dataset(
        task="regression" if regression else "classification",
        target="label",
        columns=(ColumnProfile(name="image", kind="image", missing=0, distinct=rows, shape=images.shape[1:]),),
        classes=() if regression else SHAPES,
        class_rows=() if regression else (cut // 3,) * 3,
        rows=SplitRows(train=cut, validation=rows - cut, test=0),
        sha256="d" * 64,
    )
    return Table(dataset=dataset, splits={"train": frame[:cut], "validation": frame[cut:]})
