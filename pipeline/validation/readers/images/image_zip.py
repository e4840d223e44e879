"""zip: a folder a class, with its images as png or jpg. Nothing is unpacked to disk."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidTargetError, UnreadableDatasetError
from pipeline.contracts.pictures import PICTURE_ENDINGS, Look, UnreadablePictureError, look_at, read_picture
from pipeline.validation.limits import MAX_BYTES, MAX_IMAGES, MAX_PICTURE_BYTES
from pipeline.validation.readers.images.images import Images, choose_size
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.words import counted

__all__ = ["read_image_folders"]

_SPLIT_FOLDERS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_ENCRYPTED = 0x1  # in an entry's flags


@dataclass(frozen=True, kw_only=True, slots=True)
class _Picture:
    entry: zipfile.ZipInfo
    label: str


def read_image_folders(name: str, path: Path, aside: RejectedRows, wanted: tuple[int, ...] = ()) -> Images:
    """All become one size, the median or ``wanted``; grey when all are grey. Those that do not decode are set aside.

    Raise UnreadableDatasetError for a file that is no zip, or whose images are too many or too large;
    InvalidTargetError without folders of two classes, MalformedRowsError when too many images do not decode.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pictures, left_out = _pictures(name, archive)
            looks = [_look(archive, one, aside) for one in pictures]
            seen = [(one, look) for one, look in zip(pictures, looks, strict=True) if look is not None]
            _check_good(aside, len(seen))
            size = wanted or _size([look for _, look in seen])
            pixels, labels = _decode(archive, [one for one, _ in seen], size, aside)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise UnreadableDatasetError(f"'{name}' is not a whole zip file") from error
    _check_good(aside, len(labels))
    if not wanted and pixels.shape[3] == 3 and _is_grey(pixels):
        pixels = pixels[..., :1]
    resized = sum((look.height, look.width) != size[:2] for _, look in seen)
    return Images(pixels=pixels, labels=labels, warnings=(*_told(resized, len(seen), size), *left_out))


def _told(resized: int, images: int, size: tuple[int, ...]) -> Sequence[str]:
    if not resized:
        return ()
    return (f"{resized:,} of {counted(images, 'image')} resized to {size[0]} x {size[1]} pixels (height x width)",)


def _pictures(name: str, archive: zipfile.ZipFile) -> tuple[list[_Picture], tuple[str, ...]]:
    """The images in the folders of classes, and a warning of what else is there."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_junk(entry)]
    images = [entry for entry in entries if entry.filename.lower().endswith(PICTURE_ENDINGS)]
    _check_sizes(name, images)
    labels = _labels([PurePosixPath(entry.filename).parts[:-1] for entry in images])
    found = [_Picture(entry=one, label=label) for one, label in zip(images, labels, strict=True) if label is not None]
    classes = sorted({one.label for one in found})
    if len(classes) < 2:
        there = f"only images of '{_shown(classes[0])}'" if classes else "no such images"
        raise InvalidTargetError(
            f"'{name}' holds {there} ({counted(len(entries), 'file')} in all): a folder for each of at least two "
            "classes, with its images as png or jpg, is expected, such as cat/1.png and dog/1.png"
        )
    other = len(entries) - len(found)
    return found, (
        f"{counted(other, 'file')} of the archive left out: no png or jpg in a class's folder",
    ) if other else ()


def _is_junk(entry: zipfile.ZipInfo) -> bool:
    """What systems add of their own, and paths that lead out of the archive."""
    parts = PurePosixPath(entry.filename).parts
    return any(part.startswith(".") or part.lower() in _JUNK for part in parts)


def _check_sizes(name: str, images: Sequence[zipfile.ZipInfo]) -> None:
    """By the archive's directory; ``_body`` reads no more than that."""
    if len(images) > MAX_IMAGES:
        raise UnreadableDatasetError(f"'{name}' has {len(images):,} images: at most {MAX_IMAGES:,} are expected")
    if (unpacked := sum(entry.file_size for entry in images)) > MAX_BYTES:
        raise UnreadableDatasetError(
            f"'{name}' has images of {unpacked:,} bytes, unpacked: at most {MAX_BYTES:,} are expected"
        )
    if any(entry.flag_bits & _ENCRYPTED for entry in images):
        raise UnreadableDatasetError(f"'{name}' is encrypted: a zip file without a password is expected")


def _labels(folders: Sequence[tuple[str, ...]]) -> list[str | None]:
    """Each image's class: its first folder below those that all share, or below train and test; None without one."""
    inside = [parts for parts in folders if parts]
    shared = 0
    while inside and all(len(parts) > shared + 1 for parts in inside) and len({parts[shared] for parts in inside}) == 1:
        shared += 1
    tops = {parts[shared].lower() for parts in inside if len(parts) > shared}
    if tops <= _SPLIT_FOLDERS and all(len(parts) > shared + 1 for parts in inside):
        shared += 1
    return [parts[shared] if len(parts) > shared else None for parts in folders]


def _look(archive: zipfile.ZipFile, picture: _Picture, aside: RejectedRows) -> Look | None:
    try:
        return look_at(_body(archive, picture))
    except UnreadablePictureError as error:
        aside.add_file(_shown(picture.entry.filename), str(error))
        return None


def _body(archive: zipfile.ZipFile, picture: _Picture) -> bytes:
    if picture.entry.file_size > MAX_PICTURE_BYTES:
        raise UnreadablePictureError(f"has more than {MAX_PICTURE_BYTES >> 20} MiB")
    try:
        return archive.read(picture.entry)  # which reads no more than its entry says
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise UnreadablePictureError("is damaged in the archive") from error


def _size(looks: Sequence[Look]) -> tuple[int, int, int]:
    channels = 3 if any(look.colour for look in looks) else 1
    return choose_size([look.height for look in looks], [look.width for look in looks], channels)


def _decode(
    archive: zipfile.ZipFile, pictures: Sequence[_Picture], size: tuple[int, ...], aside: RejectedRows
) -> tuple[NDArray[np.uint8], pl.Series]:
    pixels = np.empty((len(pictures), *size), np.uint8)
    labels: list[str] = []
    for picture in pictures:
        try:
            pixels[len(labels)] = read_picture(_body(archive, picture), size)
        except UnreadablePictureError as error:
            aside.add_file(_shown(picture.entry.filename), str(error))
        else:
            labels.append(picture.label)
    return pixels[: len(labels)], pl.Series(labels, dtype=pl.String)


def _check_good(aside: RejectedRows, good: int) -> None:
    aside.check(good=good, expected="whole png or jpg files are")


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Saved in colour, though without any."""
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[-100:])
