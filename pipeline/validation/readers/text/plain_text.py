"""Convert any text file to UTF-8: unpack it, detect its encoding, and transcode it in chunks."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.limits import MAX_LINE_BYTES
from pipeline.validation.readers.encodings.detection import MARKS, detect_encoding, is_binary
from pipeline.validation.readers.encodings.names import UTF_8, TextEncoding, find_codec
from pipeline.validation.readers.text.binary_formats import name_binary_format
from pipeline.validation.readers.text.transcoding import Transcoder

__all__ = ["PlainText", "make_plain_text"]

_CHUNK_BYTES = 1 << 20
_MAX_SCANNED_BYTES = 64 << 20  # a larger file is sampled
_SAMPLES = 16
_SAMPLE_BYTES = 256 << 10
_MAX_HIGH_BYTES = 2 << 20  # maximum bytes of non-ASCII lines that are examined
_HOW_TO_CHOOSE = "`encoding:` in train.yaml"


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text file whose bytes at ``path`` are UTF-8, perhaps with lines to repair.

    Attributes:
        name: The file's name, for messages.
        path: Path of the converted file, or of the original file if no conversion was needed.
        start: Number of bytes of a byte-order mark, which are skipped.
        encoding: Encoding of the original file.
        warnings: Warnings about how the file was read.
    """

    name: str
    path: Path
    start: int
    encoding: TextEncoding
    warnings: tuple[str, ...] = ()


def make_plain_text(  # noqa: PLR0913 - a file, its name, and options from train.yaml
    name: str, path: Path, folder: Path, *, is_gzip: bool, encoding: str = "", max_bytes: int
) -> PlainText:
    """Return the file as UTF-8, unpacked and transcoded into ``folder`` if necessary.

    Args:
        name: The file's name, for messages.
        path: The uploaded file.
        folder: Folder for converted files.
        is_gzip: Whether the file is compressed.
        encoding: ``encoding`` of train.yaml; "": detected from the bytes.
        max_bytes: Maximum size of the unpacked file.

    Raises:
        InvalidJobSpecError: ``encoding`` is not the name of a text encoding.
        UnreadableDatasetError: The file is empty, too large, truncated, not text, or not in the chosen encoding.
    """
    chosen = find_codec(encoding) if encoding else None
    plain = _unpack(name, path, folder / f"{path.name}.unpacked", max_bytes) if is_gzip else path
    _check_start(name, plain, max_bytes)
    detected = _detect(plain)
    source = _choose(name, plain, chosen, detected)
    start = _count_mark_bytes(plain) if source.has_mark else 0
    warnings = _explain(source, chosen)
    if source.codec != UTF_8.codec:
        target = folder / f"{path.name}.utf-8"
        warnings += Transcoder(name, source, is_strict=chosen is not None).transcode(plain, start, target)
        if chosen and detected == UTF_8 and target.stat().st_size != plain.stat().st_size:
            warnings += (f"the file could be UTF-8: read as {source.name} ({_HOW_TO_CHOOSE})",)
        if is_gzip:
            plain.unlink()  # free the disk, which a large file may fill
        plain, start = target, 0
    _check_not_blank(name, plain, start)
    return PlainText(name, plain, start, source, warnings)


def _unpack(name: str, path: Path, plain: Path, max_bytes: int) -> Path:
    size = 0
    try:
        with gzip.open(path) as packed, plain.open("wb") as file:
            while chunk := packed.read1(_CHUNK_BYTES):  # unlike `read`, it returns the bytes before the damage
                if (size := size + len(chunk)) > max_bytes:
                    raise _too_large(name, max_bytes)
                file.write(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableDatasetError(
            f"'{name}' is not a complete gzip file: it is truncated or damaged after {size:,} unpacked bytes"
        ) from error
    return plain


def _too_large(name: str, max_bytes: int) -> UnreadableDatasetError:
    return UnreadableDatasetError(f"'{name}' holds more than {max_bytes >> 20:,} MiB, the maximum")


def _check_start(name: str, path: Path, max_bytes: int) -> None:
    if path.stat().st_size > max_bytes:
        raise _too_large(name, max_bytes)
    with path.open("rb") as file:
        if binary_format := name_binary_format(file.read(_CHUNK_BYTES)):
            raise UnreadableDatasetError(f"'{name}' is {binary_format}: text is expected for a file with this name")


def _check_not_blank(name: str, path: Path, start: int) -> None:
    with path.open("rb") as file:
        file.seek(start)
        if all(not chunk.strip() for chunk in iter(lambda: file.read(_CHUNK_BYTES), b"")):
            raise UnreadableDatasetError(f"'{name}' is empty: a header line and rows are expected")


def _detect(path: Path) -> TextEncoding | None:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_CHUNK_BYTES) + file.readline(MAX_LINE_BYTES)
    detected = detect_encoding(head, is_complete=size <= len(head))
    if size <= len(head) or detected is None or detected.codec.startswith("utf-16") or "utf-32" in detected.codec:
        return detected
    high = b"".join(_list_high_lines(path, size))
    return detect_encoding(head + high, is_complete=False) if high else detected


def _list_high_lines(path: Path, size: int) -> Iterator[bytes]:
    """Yield the non-ASCII lines of the whole file, or of samples if the file is large."""
    remaining = _MAX_HIGH_BYTES
    for lines in _read_samples(path, size):
        high = [line for line in lines.split(b"\n") if not line.isascii()]
        yield b"\n".join([*high, b""])
        remaining -= sum(map(len, high))
        if remaining <= 0:
            return


def _read_samples(path: Path, size: int) -> Iterator[bytes]:
    """Yield the non-ASCII parts of the file after the first chunk, each up to the end of its last line."""
    is_scanned = size <= _MAX_SCANNED_BYTES
    length, step = (_CHUNK_BYTES, 0) if is_scanned else (_SAMPLE_BYTES, size // _SAMPLES)
    buffer = bytearray(length)  # one buffer for all parts: allocating takes longer than reading
    with path.open("rb") as file:
        file.seek(_CHUNK_BYTES)
        file.readline(MAX_LINE_BYTES)
        while read := file.readinto(buffer):
            if not buffer.isascii():
                yield bytes(buffer[:read]) + file.readline(MAX_LINE_BYTES)
            if step:
                file.seek(step, 1)
                file.readline(MAX_LINE_BYTES)


def _choose(name: str, path: Path, chosen: TextEncoding | None, detected: TextEncoding | None) -> TextEncoding:
    """Return the encoding to read the file in, by a byte-order mark, else train.yaml, else the detected encoding."""
    if detected and detected.has_mark:
        return detected
    if chosen is None:
        return detected or _refuse(name, path)
    if chosen.codec in ("utf-16", "utf-32") and detected and detected.codec.startswith(chosen.codec):
        return detected
    if chosen.codec == UTF_8.codec and (detected is None or detected.codec != UTF_8.codec):
        shown = detected.name if detected else "no text encoding"
        raise UnreadableDatasetError(
            f"'{name}' is not UTF-8, as `encoding` of train.yaml says: its bytes fit {shown}; correct or remove it"
        )
    return chosen


def _refuse(name: str, path: Path) -> TextEncoding:
    with path.open("rb") as file:
        head = file.read(_CHUNK_BYTES)
    if is_binary(head):
        raise UnreadableDatasetError(f"'{name}' is binary data: text is expected for a file with this name")
    raise UnreadableDatasetError(
        f"'{name}' is not UTF-8, and its bytes do not clearly fit an encoding: name it with {_HOW_TO_CHOOSE}, or save "
        "as UTF-8"
    )


def _count_mark_bytes(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(4)
    return next((len(mark) for mark in MARKS if head.startswith(mark)), 0)


def _explain(source: TextEncoding, chosen: TextEncoding | None) -> tuple[str, ...]:
    if chosen:
        is_overridden = source.has_mark and chosen.codec not in (source.codec, source.codec.rsplit("-", 1)[0])
        mark = f"the byte order mark is that of {source.name}, not of {chosen.name} ({_HOW_TO_CHOOSE}): read as it says"
        return (mark,) if is_overridden else ()
    if source.codec == UTF_8.codec:
        return ()
    if source.has_mark and source.codec.startswith("utf"):
        return (f"the file is read as {source.name}",)
    return (f"the file is not UTF-8: read as {source.name} ({_HOW_TO_CHOOSE} chooses another)",)
