"""Decode png and jpg images to the pixels of an image column, for training files and for requests.

Import this module only where there are images: importing Pillow slows down a cold start.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

__all__ = ["IMAGE_SUFFIXES", "ImageInfo", "UnreadableImageError", "decode_image", "fit_pixels", "read_info"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

_FORMATS = ("PNG", "JPEG")
_MAX_PIXELS = 50_000_000  # up to 200 MB when decoded
_TOO_LARGE = f"has more than {_MAX_PIXELS // 10**6} megapixels"
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "F"})
_DEEP_MODES = frozenset({"I", "I;16", "I;16B", "F"})  # how Pillow opens 16-bit grayscale images

# Exceptions that Pillow raises for damaged files.
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip


class UnreadableImageError(ValueError):
    """An image cannot be decoded; the message ends a sentence that begins with the image's name."""


class ImageInfo(NamedTuple):
    """Size and color of an image, as its header states them."""

    height: int
    width: int
    color: bool


def read_info(body: bytes) -> ImageInfo:
    """Read an image's size and mode without decoding it.

    Raises:
        UnreadableImageError: It is not a png or jpg.
    """
    with _opened(body) as image:
        return ImageInfo(image.height, image.width, image.mode not in _GREY_MODES)


def decode_image(body: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Decode an image to uint8 [height, width, channels], resized to ``shape``; transparency becomes white.

    Raises:
        UnreadableImageError: It is not a complete png or jpg.
    """
    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    with _opened(body) as image:
        image.draft(None, (max(height, width),) * 2)  # scales a jpg down while it is decoded, which is faster
        image.load()
        upright = _convert_mode(ImageOps.exif_transpose(image), mode)
        resized = upright.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(resized, np.uint8).reshape(shape)


def fit_pixels(pixels: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resize uint8 pixels [height, width, channels] to ``shape``, which has the same number of channels."""
    height, width, channels = shape
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.uint8).reshape(shape)


def _convert_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in _DEEP_MODES:
        return Image.fromarray((np.asarray(image, np.float64) / 257).clip(0, 255).astype(np.uint8)).convert(mode)
    if not image.has_transparency_data:
        return image.convert(mode)
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image.convert("RGBA"))
    return flat.convert(mode)


@contextmanager
def _opened(body: bytes) -> Iterator[Any]:
    try:
        with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
            _check_size(image)
            yield image
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(_TOO_LARGE) from error
    except _BROKEN as error:
        raise UnreadableImageError("is not a complete png or jpg") from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise UnreadableImageError(_TOO_LARGE)
