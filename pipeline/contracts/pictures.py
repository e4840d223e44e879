"""A png or jpg -> the pixels of an image column: once for the files that train, and once for those of a request.

Pillow and numpy are imported where a picture is read, so that a table costs no cold start of theirs.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["PICTURE_ENDINGS", "Look", "UnreadablePictureError", "fit_pixels", "look_at", "read_picture"]

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")

_FORMATS = ("PNG", "JPEG")
_MOST_PIXELS = 50_000_000  # decoded they are up to 200 MB
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "F"})
_DEEP_MODES = frozenset({"I", "I;16", "I;16B", "F"})  # 16 bits a pixel


class UnreadablePictureError(ValueError):
    """``str`` ends a sentence that begins with the picture's name."""


class Look(NamedTuple):
    """What a picture's header says."""

    height: int
    width: int
    colour: bool


def look_at(body: bytes) -> Look:
    """Without decoding it; raise UnreadablePictureError."""
    with _opened(body) as image:
        return Look(image.height, image.width, image.mode not in _GREY_MODES)


def read_picture(body: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [height, width, channels], resized to ``shape``; what is transparent is white.

    Raise UnreadablePictureError when it is no whole png or jpg.
    """
    import numpy as np
    from PIL import Image, ImageOps

    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    with _opened(body) as image:
        image.draft(None, (max(height, width),) * 2)  # a jpg is decoded no larger than it takes
        image.load()
        upright = _of_mode(ImageOps.exif_transpose(image), mode)
        resized = upright.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(resized, np.uint8).reshape(shape)


def fit_pixels(pixels: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [height, width, channels] -> ``shape``, of as many channels."""
    import numpy as np
    from PIL import Image

    height, width, channels = shape
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.uint8).reshape(shape)


def _of_mode(image: Image.Image, mode: str) -> Image.Image:
    import numpy as np
    from PIL import Image

    if image.mode in _DEEP_MODES:
        return Image.fromarray((np.asarray(image, np.float64) / 257).clip(0, 255).astype(np.uint8)).convert(mode)
    if not image.has_transparency_data:
        return image.convert(mode)
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image.convert("RGBA"))
    return flat.convert(mode)


@contextmanager
def _opened(body: bytes) -> Iterator[Any]:
    from PIL import Image

    broken = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error)
    try:
        with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise UnreadablePictureError(f"has more than {_MOST_PIXELS // 10**6} megapixels")
            yield image
    except UnreadablePictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadablePictureError(f"has more than {_MOST_PIXELS // 10**6} megapixels") from error
    except (*broken, zlib.error) as error:
        raise UnreadablePictureError("is no whole png or jpg") from error
