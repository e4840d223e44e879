"""Images to predict on: one file, a folder, or a zip of them."""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pipeline.cli.input.request_rows import RequestRows
from pipeline.contracts.errors import InvalidRequestError, UnreadableDatasetError
from pipeline.contracts.image_decoding import IMAGE_SUFFIXES, UnreadableImageError, decode_image

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.contracts.signature import Column, Signature

__all__ = ["has_images", "holds_images", "read_images"]

_MAX_SENT_BYTES = 2 << 20  # bytes per file; larger images are resized to the model's size before they are sent
_MAX_NAMED = 5
_JUNK = "__MACOSX"

ImageFile = tuple[PurePosixPath, "Callable[[], bytes]"]


def holds_images(path: Path) -> bool:
    """Return whether a path is an image, a zip, or a folder."""
    return path.is_dir() or path.name.lower().endswith((*IMAGE_SUFFIXES, ".zip"))


def has_images(folder: Path) -> bool:
    """Return whether a folder has an image at any depth."""
    return next(_in_folder(folder), None) is not None


def read_images(path: Path, signature: Signature, limit: int | None) -> RequestRows:
    """Read the first ``limit`` images, in the order of their names.

    A folder with the name of a class gives its images that label.

    Args:
        path: An image, a folder or a zip.
        signature: Signature of a model that reads images.
        limit: Maximum number of images; None for all.

    Raises:
        InvalidRequestError: The model reads no images.
        UnreadableDatasetError: The zip is damaged, or nothing in it can be read.
    """
    column = next((column for column in signature.columns if column.kind == "image"), None)
    if column is None:
        content = "is a zip, which is read as images" if path.suffix.lower() == ".zip" else "holds images"
        raise InvalidRequestError(f"the model reads a table, and '{path.name}' {content}: rows are expected")
    if path.is_file() and path.suffix.lower() != ".zip":
        return RequestRows(rows=iter([{column.name: _cell(path.read_bytes(), column)}]))
    try:
        return _read_all(_in_folder(path) if path.is_dir() else _in_zip(path), path.name, column, signature, limit)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # RuntimeError: it has a password
        raise UnreadableDatasetError(f"'{path.name}' is not a complete zip file without a password") from error


def _read_all(
    files: Iterator[ImageFile], name: str, column: Column, signature: Signature, limit: int | None
) -> RequestRows:
    images: list[NDArray[np.uint8]] = []
    truths: list[str | None] = []
    broken: list[str] = []
    for file, read in islice(files, limit):
        try:
            image = decode_image(read(), column.shape)
        except UnreadableImageError as error:
            broken.append(f"'{file}' {error}")
            continue
        images.append(image)
        truths.append(next((folder for folder in reversed(file.parts[:-1]) if folder in signature.classes), None))
    if not images:
        raise UnreadableDatasetError(
            f"'{name}' holds no image that can be read: complete png or jpg files are expected"
        )
    return RequestRows(
        rows=({column.name: image.tolist()} for image in images),
        truths=truths if any(truths) else (),
        warnings=tuple(_warn_broken(broken)),
    )


def _warn_broken(broken: list[str]) -> Iterator[str]:
    if broken:
        more = "; ..." if len(broken) > _MAX_NAMED else ""
        yield f"{len(broken):,} images cannot be read and are skipped: {'; '.join(broken[:_MAX_NAMED])}{more}"


def _cell(body: bytes, column: Column) -> Any:
    """Return an unchanged image, which the API resizes; return a large one already resized."""
    if len(body) <= _MAX_SENT_BYTES:
        return {"b64": base64.b64encode(body).decode()}
    try:
        return decode_image(body, column.shape).tolist()
    except UnreadableImageError as error:
        raise UnreadableDatasetError(f"the image {error}") from error


def _in_folder(folder: Path) -> Iterator[ImageFile]:
    """Yield the images of a folder at any depth, without hidden ones."""
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder)
        if file.name.lower().endswith(IMAGE_SUFFIXES) and not any(name.startswith(".") for name in relative.parts):
            yield PurePosixPath(*relative.parts), file.read_bytes


def _in_zip(path: Path) -> Iterator[ImageFile]:
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
            file = PurePosixPath(entry.filename)
            if file.name.lower().endswith(IMAGE_SUFFIXES) and not _is_junk(file):
                yield file, lambda entry=entry: archive.read(entry)  # type: ignore[misc]


def _is_junk(file: PurePosixPath) -> bool:
    return any(name.startswith(".") or name == _JUNK for name in file.parts)
