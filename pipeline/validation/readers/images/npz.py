"""Read an npz file with an array of images and an array of labels."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidColumnsError, InvalidTargetError, UnreadableDatasetError
from pipeline.validation.limits import MAX_BYTES, MAX_IMAGE_BYTES, MAX_IMAGE_SIDE, MAX_IMAGES
from pipeline.validation.readers.images.images import LABEL, Images, choose_size, fit_images

__all__ = ["read_image_arrays"]

_IMAGES = ("images", "image", "x", "x_train", "data", "arr_0")
_LABELS = ("labels", "label", "y", "y_train", "target", "targets", "arr_1")
_KINDS = "uifb"  # allowed kinds of numpy dtypes; labels may also be text
_CHANNELS = {1: 1, 3: 3, 4: 3}  # channels of the file -> channels that are read, without transparency
_BLOCK = 4096  # images that are converted at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    """An array of the file, described by its header."""

    entry: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_image_arrays(name: str, path: Path, fixed_size: tuple[int, ...] = ()) -> Images:
    """Read images and labels of an npz file. Sizes are checked first, and pickles are not loaded.

    Args:
        name: Name of the file, for messages.
        path: The npz file.
        fixed_size: Height, width and channels of the result; empty: those of the file, within the limits.

    Raises:
        UnreadableDatasetError: The file is damaged or too large, or its arrays hold no pixels.
        InvalidColumnsError: An array is missing or has another shape.
        InvalidTargetError: The labels do not fit the images.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _read_headers(name, archive)
            images = _find_array(name, members, _IMAGES, "images")
            labels = _find_array(name, members, _LABELS, "labels")
            _check(name, members[images], members[labels])
            raw = _read(archive, members[images])
            raw_labels = _read(archive, members[labels])
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise UnreadableDatasetError(
            f"'{name}' is not a complete npz file of plain arrays, as numpy.savez writes it"
        ) from error
    pixels = _read_pixels(name, _put_channels_last(name, raw))
    count, height, width, channels = pixels.shape
    size = fixed_size or (height, width, channels)
    if not fixed_size and max(height, width) > MAX_IMAGE_SIDE:
        size = choose_size([height] * count, [width] * count, channels)
    resized = f"images of {height} x {width} pixels are resized to {size[0]} x {size[1]}"
    warnings = () if size == (height, width, channels) else (resized,)
    return Images(pixels=fit_images(name, pixels, size), labels=_read_labels(raw_labels), warnings=warnings)


def _read_headers(name: str, archive: zipfile.ZipFile) -> Mapping[str, _Member]:
    """Return the arrays by their names without ``.npy``."""
    members = {}
    for entry in archive.infolist():
        if entry.filename.endswith(".npy"):
            with archive.open(entry) as file:
                shape, dtype = _read_header(file)
            members[entry.filename.removesuffix(".npy")] = _Member(entry=entry, shape=shape, dtype=dtype)
    return members


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _find_array(name: str, members: Mapping[str, _Member], usual_names: Sequence[str], content: str) -> str:
    folded = {array.casefold(): array for array in members}
    for usual_name in usual_names:
        if usual_name in folded:
            return folded[usual_name]
    listed = ", ".join(f"'{array[:60]}'" for array in list(members)[:10]) or "none"
    raise InvalidColumnsError(
        f"'{name}' has no array of {content}: one named {', '.join(usual_names)} is expected (its arrays: {listed})"
    )


def _check(name: str, images: _Member, labels: _Member) -> None:
    """Check types, sizes and shapes in the headers."""
    for member, kinds, content in ((images, _KINDS, "numbers"), (labels, _KINDS + "U", "numbers or text")):
        shown = member.entry.filename.removesuffix(".npy")
        if member.dtype.kind not in kinds:
            raise UnreadableDatasetError(f"'{name}': the array '{shown}' is of {member.dtype}: {content} are expected")
        if (size := math.prod(member.shape) * member.dtype.itemsize) > MAX_BYTES:
            raise UnreadableDatasetError(
                f"'{name}': the array '{shown}' has {size:,} bytes: at most {MAX_BYTES:,} are expected"
                + (" (uint8 takes the least)" if member.dtype.itemsize > 1 else "")
            )
    if len(images.shape) not in (3, 4):
        raise InvalidColumnsError(
            f"'{name}': the images are of shape {_join(images.shape)}: images x height x width, or images x height x "
            "width x channels, is expected"
        )
    if min(images.shape) == 0 or images.shape[0] > MAX_IMAGES or math.prod(images.shape) > MAX_IMAGE_BYTES:
        raise UnreadableDatasetError(
            f"'{name}': the images are of shape {_join(images.shape)}: 1 to {MAX_IMAGES:,} images are expected, and "
            f"{MAX_IMAGE_BYTES >> 20} MiB of pixels at most"
        )
    if labels.shape not in (images.shape[:1], (images.shape[0], 1)):
        raise InvalidTargetError(
            f"'{name}': there are {images.shape[0]:,} images, and labels of shape {_join(labels.shape)}: one label "
            "per image is expected"
        )


def _join(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{length:,}" for length in shape) or "one number"


def _read(archive: zipfile.ZipFile, member: _Member) -> NDArray[Any]:
    with archive.open(member.entry) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _put_channels_last(name: str, raw: NDArray[Any]) -> NDArray[Any]:
    """Return [images, height, width, channels]; torch puts the channels before the height."""
    if raw.ndim == 3:
        return raw[..., None]
    if raw.shape[3] in _CHANNELS:
        return raw
    if raw.shape[1] in _CHANNELS:
        return raw.transpose(0, 2, 3, 1)
    raise InvalidColumnsError(
        f"'{name}': the images are of shape {_join(raw.shape)}: 1 (grey) or 3 (red, green, blue) channels are expected"
    )


def _read_pixels(name: str, raw: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the pixels as uint8; numbers from 0 to 1 are fractions of white."""
    channels = _CHANNELS[raw.shape[3]]
    if raw.dtype == np.uint8:
        return np.ascontiguousarray(raw[..., :channels])
    low, high = float(raw.min()), float(raw.max())
    if not (low >= 0 and high <= 255):  # NaN too
        raise UnreadableDatasetError(
            f"'{name}': the pixels are from {low:g} to {high:g}: 0 to 255, or 0 to 1, is expected"
        )
    scale = 255.0 if raw.dtype.kind in "fb" and high <= 1 else 1.0
    pixels = np.empty((*raw.shape[:3], channels), np.uint8)
    for start in range(0, len(raw), _BLOCK):
        block = raw[start : start + _BLOCK, ..., :channels].astype(np.float32)
        pixels[start : start + _BLOCK] = np.rint(block * scale)
    return pixels


def _read_labels(labels: NDArray[Any]) -> pl.Series:
    flat = labels.reshape(-1)
    return pl.Series(LABEL, flat.tolist(), dtype=pl.String) if flat.dtype.kind == "U" else pl.Series(LABEL, flat)
