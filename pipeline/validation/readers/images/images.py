"""A table of images, and the size that all of its images get."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.contracts.image_decoding import fit_pixels
from pipeline.validation.limits import MAX_IMAGE_BYTES, MAX_IMAGE_SIDE

__all__ = ["IMAGE", "LABEL", "Images", "choose_size", "fit_images"]

IMAGE, LABEL = "image", "label"
_MIN_SIDE = 8  # pixels; smaller images are too small for convolutions


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """Images in memory: ``pixels`` is uint8 [images, height, width, channels], ``labels`` has one label per image."""

    pixels: NDArray[np.uint8]
    labels: pl.Series
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the height, width and channels of each image."""
        _, height, width, channels = self.pixels.shape
        return height, width, channels

    @property
    def frame(self) -> pl.DataFrame:
        """Return the columns IMAGE (Binary) and LABEL."""
        bodies = pl.Series(IMAGE, [image.tobytes() for image in self.pixels], dtype=pl.Binary)
        return pl.DataFrame([bodies, self.labels.alias(LABEL)])


def choose_size(heights: list[int], widths: list[int], channels: int) -> tuple[int, int, int]:
    """Choose one size for all images: the median, within the limits for a side and for all pixels together.

    Returns:
        Height, width and channels.
    """
    height, width = median(heights), median(widths)
    byte_scale = (MAX_IMAGE_BYTES / (len(heights) * channels * height * width)) ** 0.5
    scale = min(1.0, MAX_IMAGE_SIDE / max(height, width), byte_scale)
    return max(_MIN_SIDE, int(height * scale)), max(_MIN_SIDE, int(width * scale)), channels


def fit_images(name: str, pixels: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resize images.

    Args:
        name: Name of the file, for messages.
        pixels: The images.
        size: Height, width and channels of the result.

    Raises:
        UnreadableDatasetError: The images have another number of channels.
    """
    if pixels.shape[1:] == size:
        return pixels
    if pixels.shape[3] != size[2]:
        kinds = {1: "grey", 3: "color"}
        raise UnreadableDatasetError(
            f"'{name}' has {kinds[pixels.shape[3]]} images: {kinds[size[2]]} ones are expected, as in the data"
        )
    resized = np.empty((len(pixels), *size), np.uint8)
    for row, image in enumerate(pixels):
        resized[row] = fit_pixels(image, size)
    return resized
