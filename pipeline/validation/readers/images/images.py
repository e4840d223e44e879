"""Images as a table: what readers of them give, and of which size they become."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.contracts.pictures import fit_pixels
from pipeline.validation.limits import MAX_IMAGE_BYTES, MAX_IMAGE_SIDE

__all__ = ["IMAGE", "LABEL", "Images", "choose_size", "fit_images"]

IMAGE, LABEL = "image", "label"
_MIN_SIDE = 8  # below it a convolution has nothing to look at


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """``pixels`` uint8 [images, height, width, channels]; ``labels``: one an image."""

    pixels: NDArray[np.uint8]
    labels: pl.Series
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels of each."""
        _, height, width, channels = self.pixels.shape
        return height, width, channels

    @property
    def frame(self) -> pl.DataFrame:
        """Columns IMAGE (Binary) and LABEL."""
        bodies = pl.Series(IMAGE, [image.tobytes() for image in self.pixels], dtype=pl.Binary)
        return pl.DataFrame([bodies, self.labels.alias(LABEL)])


def choose_size(heights: list[int], widths: list[int], channels: int) -> tuple[int, int, int]:
    """The median, in the limits of a side and of all pixels together: height, width, channels."""
    height, width = median(heights), median(widths)
    room = (MAX_IMAGE_BYTES / (len(heights) * channels * height * width)) ** 0.5
    scale = min(1.0, MAX_IMAGE_SIDE / max(height, width), room)
    return max(_MIN_SIDE, int(height * scale)), max(_MIN_SIDE, int(width * scale)), channels


def fit_images(name: str, pixels: NDArray[np.uint8], wanted: tuple[int, ...]) -> NDArray[np.uint8]:
    """``pixels`` resized to ``wanted``; raise UnreadableDatasetError when they are of other channels."""
    if pixels.shape[1:] == wanted:
        return pixels
    if pixels.shape[3] != wanted[2]:
        kinds = {1: "grey", 3: "colour"}
        raise UnreadableDatasetError(
            f"'{name}' has {kinds[pixels.shape[3]]} images: {kinds[wanted[2]]} ones are expected, as in the data"
        )
    found = np.empty((len(pixels), *wanted), np.uint8)
    for place, image in enumerate(pixels):
        found[place] = fit_pixels(image, wanted)
    return found
