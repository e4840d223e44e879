"""Read a zip file with one folder of png or jpg images per class. Nothing is unpacked to disk."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidTargetError, UnreadableDatasetError
from pipeline.contracts.image_decoding import IMAGE_SUFFIXES, ImageInfo, UnreadableImageError, decode_image, read_info
from pipeline.validation.limits import MAX_BYTES, MAX_IMAGE_FILE_BYTES, MAX_IMAGES
from pipeline.validation.readers.images.images import Images, choose_size
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.words import counted

__all__ = ["read_image_folders"]

_SPLIT_FOLDERS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_ENCRYPTED = 0x1  # bit in an entry's flags
_EXPECTED = "whole png or jpg files"


def read_image_folders(name: str, path: Path, rejected: RejectedRows, fixed_size: tuple[int, ...] = ()) -> Images:
    """Read the images of a zip file and resize all of them to one size; the result is grey if all images are grey.

    Args:
        name: Name of the file, for messages.
        path: The zip file.
        rejected: Collects the images that cannot be decoded.
        fixed_size: Height, width and channels of the images; empty: the median size.

    Raises:
        UnreadableDatasetError: The file is not a zip file, or its images are too many or too large.
        InvalidTargetError: There are fewer than two folders of classes.
        MalformedRowsError: Too many images cannot be decoded.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries, skipped_warnings = _list_images(name, archive)
            images = {entry: info for entry in entries if (info := _read_info(archive, entry, rejected)) is not None}
            rejected.check(valid=len(images), expected=_EXPECTED)
            size = fixed_size or _choose_size([*images.values()])
            pixels, labels = _decode(archive, [(entry, entries[entry]) for entry in images], size, rejected)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise UnreadableDatasetError(f"'{name}' is not a complete zip file") from error
    rejected.check(valid=len(labels), expected=_EXPECTED)
    if not fixed_size and pixels.shape[3] == 3 and _is_grey(pixels):
        pixels = pixels[..., :1]
    resized = sum((info.height, info.width) != size[:2] for info in images.values())
    return Images(
        pixels=pixels, labels=labels, warnings=(*_warn_resized(resized, len(images), size), *skipped_warnings)
    )


def _warn_resized(resized: int, images: int, size: tuple[int, ...]) -> Iterator[str]:
    if resized:
        yield f"{resized:,} of {counted(images, 'image')} resized to {size[0]} x {size[1]} pixels (height x width)"


def _list_images(name: str, archive: zipfile.ZipFile) -> tuple[dict[zipfile.ZipInfo, str], tuple[str, ...]]:
    """Return the images in the folders of classes, with their classes, and a warning about other files."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_junk(entry)]
    candidates = [entry for entry in entries if entry.filename.lower().endswith(IMAGE_SUFFIXES)]
    _check_sizes(name, candidates)
    labels = _find_labels([PurePosixPath(entry.filename).parts[:-1] for entry in candidates])
    images = {entry: label for entry, label in zip(candidates, labels, strict=True) if label is not None}
    classes = sorted(set(images.values()))
    if len(classes) < 2:
        content = f"only images of '{_show(classes[0])}'" if classes else "no such images"
        raise InvalidTargetError(
            f"'{name}' holds {content} ({counted(len(entries), 'file')} in all): a folder for each of at least two "
            "classes, with its images as png or jpg, is expected, such as cat/1.png and dog/1.png"
        )
    skipped = len(entries) - len(images)
    return images, (
        f"{counted(skipped, 'file')} of the archive ignored: not a png or jpg in a class's folder",
    ) if skipped else ()


def _is_junk(entry: zipfile.ZipInfo) -> bool:
    """Return whether an operating system added the entry, or its path leads out of the archive."""
    names = PurePosixPath(entry.filename).parts
    return any(name.startswith(".") or name.lower() in _JUNK for name in names)


def _check_sizes(name: str, images: Sequence[zipfile.ZipInfo]) -> None:
    """Check the sizes in the archive's directory, which ``_read_body`` does not exceed."""
    if len(images) > MAX_IMAGES:
        raise UnreadableDatasetError(f"'{name}' has {len(images):,} images: at most {MAX_IMAGES:,} are expected")
    if (unpacked := sum(entry.file_size for entry in images)) > MAX_BYTES:
        raise UnreadableDatasetError(
            f"'{name}' has images of {unpacked:,} bytes unpacked: at most {MAX_BYTES:,} are expected"
        )
    if any(entry.flag_bits & _ENCRYPTED for entry in images):
        raise UnreadableDatasetError(f"'{name}' is encrypted: a zip file without a password is expected")


def _find_labels(paths: Sequence[tuple[str, ...]]) -> list[str | None]:
    """Return each image's class, or None: its first folder below the common folders, and below train and test."""
    nested = [path for path in paths if path]
    level = 0
    while nested and all(len(path) > level + 1 for path in nested) and len({path[level] for path in nested}) == 1:
        level += 1
    tops = {path[level].lower() for path in nested if len(path) > level}
    if tops <= _SPLIT_FOLDERS and all(len(path) > level + 1 for path in nested):
        level += 1
    return [path[level] if len(path) > level else None for path in paths]


def _read_info(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, rejected: RejectedRows) -> ImageInfo | None:
    try:
        return read_info(_read_body(archive, entry))
    except UnreadableImageError as error:
        rejected.add_file(_show(entry.filename), str(error))
        return None


def _read_body(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > MAX_IMAGE_FILE_BYTES:
        raise UnreadableImageError(f"has more than {MAX_IMAGE_FILE_BYTES >> 20} MiB")
    try:
        return archive.read(entry)  # reads at most the size in the entry
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise UnreadableImageError("is damaged in the archive") from error


def _choose_size(images: Sequence[ImageInfo]) -> tuple[int, int, int]:
    channels = 3 if any(info.color for info in images) else 1
    return choose_size([info.height for info in images], [info.width for info in images], channels)


def _decode(
    archive: zipfile.ZipFile,
    images: Sequence[tuple[zipfile.ZipInfo, str]],
    size: tuple[int, ...],
    rejected: RejectedRows,
) -> tuple[NDArray[np.uint8], pl.Series]:
    pixels = np.empty((len(images), *size), np.uint8)
    labels: list[str] = []
    for entry, label in images:
        try:
            pixels[len(labels)] = decode_image(_read_body(archive, entry), size)
        except UnreadableImageError as error:
            rejected.add_file(_show(entry.filename), str(error))
        else:
            labels.append(label)
    return pixels[: len(labels)], pl.Series(labels, dtype=pl.String)


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Return whether images with three channels are grey."""
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def _show(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[-100:])
