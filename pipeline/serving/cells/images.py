"""Images of a request: nested arrays of numbers, or a png or jpg as base64."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import RefusedCellError, json_kind

__all__ = ["images_of", "split_image_batch"]

Image = NDArray[np.uint8]


def images_of(shape: tuple[int, ...]) -> Callable[[Sequence[Any]], Sequence[Image]]:
    """Cells -> uint8 arrays of ``shape``; an image is resized, numbers must fit."""

    def read(cells: Sequence[Any]) -> Sequence[Image]:
        return [_image(cell, shape) for cell in cells]

    return read


def split_image_batch(data: list[Any], shape: Any, image_shape: tuple[int, ...], where: str) -> list[Any]:
    """The images of a tensor of the Open Inference Protocol, flat or nested row-major: one array each.

    Raise InvalidRequestError when ``shape`` is not [images, *wanted], or ``data`` are not so many numbers.
    """
    count = shape[0] if type(shape) is list and shape and type(shape[0]) is int else 0
    if not any(shape == [count, *allowed] for allowed in _shapes(image_shape)) or count < 1:
        raise InvalidRequestError(f"{where}: the shape [n, {', '.join(map(str, image_shape))}] is expected")
    try:
        pixels = _pixels(data)
    except RefusedCellError as error:
        raise InvalidRequestError(f"{where}: {error}, this is {error.actual}") from None
    if pixels.size != count * math.prod(image_shape):
        raise InvalidRequestError(
            f"{where}: its shape has {count * math.prod(image_shape)} elements, its data {pixels.size}"
        )
    return list(pixels.reshape(count, *image_shape))


def _image(cell: Any, shape: tuple[int, ...]) -> Image:
    if isinstance(cell, np.ndarray):
        return cell  # split_image_batch has read it
    if isinstance(cell, dict):
        return _decode(cell, shape)
    if not isinstance(cell, list):
        raise RefusedCellError(_expected(shape))
    pixels = _pixels(cell)
    if pixels.shape not in _shapes(shape):
        raise RefusedCellError(_expected(shape), f"one of {_format_shape(pixels.shape)}")
    return pixels.reshape(shape)


def _pixels(numbers: list[Any]) -> Image:
    try:
        array = np.array(numbers)
    except ValueError:
        raise RefusedCellError(_NUMBERS, "one whose rows are of different lengths") from None
    if array.dtype.kind not in "iuf":
        raise RefusedCellError(_NUMBERS, "one with something else")
    if not ((array >= 0) & (array <= 255)).all() or (array.dtype.kind == "f" and not (array == np.floor(array)).all()):
        raise RefusedCellError(_NUMBERS, "one with other numbers")
    return array.astype(np.uint8)


def _decode(cell: dict[str, Any], shape: tuple[int, ...]) -> Image:
    text = cell.get("b64")
    if len(cell) != 1 or not isinstance(text, str):
        actual = f"one whose b64 is {json_kind(text)}" if "b64" in cell and len(cell) == 1 else "one with other keys"
        raise RefusedCellError('{"b64": "..."} with a png or jpg is expected of an object', actual)
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedCellError("base64 of a png or jpg is expected", "other text") from None
    try:
        from pipeline.contracts.image_decoding import UnreadableImageError, decode_image  # noqa: PLC0415 - see there
    except ImportError:
        raise RefusedCellError(
            f"{_expected(shape)} (Pillow, which reads png and jpg, is not installed here)", "an image"
        ) from None
    try:
        return decode_image(body, shape)
    except UnreadableImageError as error:
        raise RefusedCellError("a png or jpg is expected", f"one that {error}") from None


def _shapes(shape: tuple[int, ...]) -> list[Any]:
    """Grey may leave its channel out."""
    return [shape, shape[:2]] if shape[2] == 1 else [shape]


_NUMBERS = "an array of whole numbers from 0 to 255 is expected"


def _expected(shape: tuple[int, ...]) -> str:
    size, axes = (
        (_format_shape(shape), "height x width x channels")
        if shape[2] > 1
        else (_format_shape(shape[:2]), "height x width")
    )
    return f'an image of {size} numbers ({axes}), or {{"b64": png or jpg}}, is expected'


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
