"""Images of a request: nested arrays of numbers, or a base64-encoded PNG or JPEG."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import InvalidCellError, json_type

__all__ = ["read_images", "split_image_batch"]

Image = NDArray[np.uint8]


def read_images(cells: Sequence[Any], shape: tuple[int, ...]) -> Sequence[Image]:
    """Read cells as uint8 arrays of ``shape``: encoded images are resized, arrays of numbers must have the shape.

    Raises:
        InvalidCellError: A cell is neither an encoded image nor an array of that shape.
    """
    return [_read_cell(cell, shape) for cell in cells]


def split_image_batch(data: list[Any] | Image, shape: Any, image_shape: tuple[int, ...], where: str) -> list[Any]:
    """Split a tensor of the Open Inference Protocol, flat or nested in row-major order, into images.

    Args:
        data: Data of the tensor.
        shape: Shape of the tensor, as the request has it.
        image_shape: Shape of one image: height, width, channels.
        where: Location of the tensor, for messages.

    Returns:
        One uint8 array per image.

    Raises:
        InvalidRequestError: ``shape`` is not [images, *image_shape], or ``data`` does not have that many numbers.
    """
    count = shape[0] if type(shape) is list and shape and type(shape[0]) is int else 0
    if not any(shape == [count, *allowed] for allowed in _allowed_shapes(image_shape)) or count < 1:
        raise InvalidRequestError(f"{where}: the shape [n, {', '.join(map(str, image_shape))}] is expected")
    try:
        pixels = _to_pixels(data)
    except InvalidCellError as error:
        raise InvalidRequestError(f"{where}: {error}, this is {error.actual}") from None
    if pixels.size != count * math.prod(image_shape):
        raise InvalidRequestError(
            f"{where}: its shape has {count * math.prod(image_shape)} elements, its data {pixels.size}"
        )
    return list(pixels.reshape(count, *image_shape))


def _read_cell(cell: Any, shape: tuple[int, ...]) -> Image:
    if isinstance(cell, np.ndarray):
        return cell  # split_image_batch has read it
    if isinstance(cell, dict):
        return _decode_base64(cell, shape)
    if not isinstance(cell, list):
        raise InvalidCellError(_expected(shape))
    pixels = _to_pixels(cell)
    if pixels.shape not in _allowed_shapes(shape):
        raise InvalidCellError(_expected(shape), f"one of {_format_shape(pixels.shape)}")
    return pixels.reshape(shape)


def _to_pixels(numbers: list[Any] | Image) -> Image:
    try:
        array = np.array(numbers)
    except ValueError:
        raise InvalidCellError(_EXPECTED_NUMBERS, "one whose rows are of different lengths") from None
    if array.dtype.kind not in "iuf":
        raise InvalidCellError(_EXPECTED_NUMBERS, "one with something else")
    if not ((array >= 0) & (array <= 255)).all() or (array.dtype.kind == "f" and not (array == np.floor(array)).all()):
        raise InvalidCellError(_EXPECTED_NUMBERS, "one with other numbers")
    return array.astype(np.uint8)


def _decode_base64(cell: dict[str, Any], shape: tuple[int, ...]) -> Image:
    text = cell.get("b64")
    if len(cell) != 1 or not isinstance(text, str):
        actual = f"one whose b64 is {json_type(text)}" if "b64" in cell and len(cell) == 1 else "one with other keys"
        raise InvalidCellError('{"b64": "..."} with a png or jpg is expected of an object', actual)
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCellError("base64 of a png or jpg is expected", "other text") from None
    try:
        from pipeline.contracts.image_decoding import UnreadableImageError, decode_image  # noqa: PLC0415 - needs Pillow
    except ImportError:
        raise InvalidCellError(
            f"{_expected(shape)} (Pillow, which reads png and jpg, is not installed here)", "an image"
        ) from None
    try:
        return decode_image(body, shape)
    except UnreadableImageError as error:
        raise InvalidCellError("a png or jpg is expected", f"one that {error}") from None


def _allowed_shapes(shape: tuple[int, ...]) -> list[Any]:
    """Return the accepted shapes; a grayscale image may lack its channel axis."""
    return [shape, shape[:2]] if shape[2] == 1 else [shape]


_EXPECTED_NUMBERS = "an array of whole numbers from 0 to 255 is expected"


def _expected(shape: tuple[int, ...]) -> str:
    axes = ("height", "width", "channels")[: 3 if shape[2] > 1 else 2]
    size = _format_shape(shape[: len(axes)])
    return f'an image of {size} numbers ({" x ".join(axes)}), or {{"b64": png or jpg}}, is expected'


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
