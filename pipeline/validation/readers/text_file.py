"""Every byte of a text file, read once: it is whole, it is UTF-8, and what a reader needs to know is counted."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.limits import MOST_BYTES, MOST_LINE_BYTES

__all__ = ["DELIMITERS", "TextFile", "check_start", "check_text", "unpack"]

DELIMITERS = (",", ";", "\t", "|")

_CHUNK = 1 << 20  # no longer than the longest line, so that only a chunk's ends can belong to one that is too long
_COUNTED = (b'"', b"\n", b"\r", b"\r\n")
_MAGIC = {
    b"PK\x03\x04": "a zip or Excel file",
    b"\x1f\x8b": "gzip (whose name ends in .gz)",
    b"PAR1": "parquet",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFile:
    """A plain file of UTF-8 text. ``counts`` holds its quotes and line ends."""

    name: str
    path: Path
    counts: Counter[str]

    @property
    def lone_returns(self) -> bool:
        """Lines that end as on an old Mac; a pair that two chunks share is mistaken for one, which costs time only."""
        return self.counts["\r"] > self.counts["\r\n"]

    def count(self, character: str) -> int:
        """How often it is there: every byte is looked at again."""
        return sum(chunk.count(character.encode()) for chunk in _chunks(self.path))


@dataclass(slots=True)
class _Checker:
    """What the chunks so far were: ``check`` raises UnreadableDatasetError where they are no text."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    size: int = 0
    blank: bool = True
    line_bytes: int = 0
    decoder: codecs.IncrementalDecoder = field(default_factory=codecs.getincrementaldecoder("utf-8"))

    def check(self, chunk: bytes) -> None:
        if self.size == 0:
            check_start(self.name, chunk)
        if (nul := chunk.find(0)) >= 0:
            raise self._not_text("a NUL byte", self.size + nul, chunk[:nul])
        self._decode(chunk)
        self._check_lines(chunk)
        self.blank = self.blank and not chunk.removeprefix(codecs.BOM_UTF8).strip()
        for one in _COUNTED:
            if one[:1] in chunk:  # which takes less time than to count
                self.counts[one.decode()] += chunk.count(one)
        self.size += len(chunk)

    def end(self) -> None:
        self._decode(b"", final=True)
        if self.blank:
            raise UnreadableDatasetError(f"'{self.name}' is empty: a header line and rows are expected")

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        pending = self.decoder.getstate()[0]
        if not pending and chunk.isascii():
            return
        try:
            self.decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            at = self.size - len(pending) + error.start
            before = chunk[: max(0, error.start - len(pending))]
            raise self._not_text("a byte that is not UTF-8", at, before) from None

    def _check_lines(self, chunk: bytes) -> None:
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        longest = self.line_bytes + (len(chunk) if first < 0 else first)
        if longest > MOST_LINE_BYTES:
            line = self.counts["\n"] + 1
            raise UnreadableDatasetError(
                f"'{self.name}': line {line:,} is longer than {MOST_LINE_BYTES >> 20} MiB: rows of text are expected"
            )
        self.line_bytes = longest if first < 0 else len(chunk) - last - 1

    def _not_text(self, what: str, at: int, before: bytes) -> UnreadableDatasetError:
        line = self.counts["\n"] + before.count(b"\n") + 1
        return UnreadableDatasetError(
            f"'{self.name}' is not UTF-8 text: {what} at byte {at:,} (line {line:,}); save the file as UTF-8",
            byte=at,
            line=line,
        )


def check_start(name: str, chunk: bytes) -> None:
    """Raise UnreadableDatasetError when the first bytes are another format's."""
    for magic, what in _MAGIC.items():
        if chunk.startswith(magic):
            raise UnreadableDatasetError(f"'{name}' looks like {what}: UTF-8 text is expected under this name")


def check_text(name: str, path: Path, *, gzipped: bool) -> TextFile:
    """Check ``path`` and return it as a plain file, beside it when it was compressed.

    Raise UnreadableDatasetError when it is empty, not UTF-8 text (naming byte and line), truncated, or too large.
    """
    checker = _Checker(name)
    plain = path.with_suffix(".plain") if gzipped else path
    for chunk in unpack(name, path, plain, MOST_BYTES) if gzipped else _chunks(path):
        checker.check(chunk)
    checker.end()
    return TextFile(name=name, path=plain, counts=checker.counts)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def unpack(name: str, path: Path, plain: Path, most: int) -> Iterator[bytes]:
    """Write ``plain`` and give its chunks; raise UnreadableDatasetError when it is damaged or larger than ``most``."""
    size = 0
    try:
        with gzip.open(path) as packed, plain.open("wb") as file:
            while chunk := packed.read(_CHUNK):
                if (size := size + len(chunk)) > most:
                    raise UnreadableDatasetError(f"'{name}' holds more than {most >> 20:,} MiB, which is the most")
                file.write(chunk)
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableDatasetError(
            f"'{name}' is not a whole gzip file: it breaks off or is damaged after {size:,} unpacked bytes"
        ) from error
