"""Rewrite a text file as UTF-8 in chunks."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.readers.encodings.names import TextEncoding

__all__ = ["Transcoder"]

_CHUNK_BYTES = 1 << 20
_MAX_REPLACED = 0.01  # maximum fraction of invalid characters
_MIN_REPLACED = 20  # so many invalid characters are always allowed
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(slots=True)
class Transcoder:
    """Rewrites one file as UTF-8.

    Attributes:
        name: The file's name, for messages.
        encoding: Encoding of the file.
        is_strict: Whether bytes that are not in ``encoding`` are refused; they are replaced otherwise.
    """

    name: str
    encoding: TextEncoding
    is_strict: bool
    _position: int = 0
    _lines: int = 0
    _characters: int = 0
    _replaced: int = 0
    _first_line: int = 0
    _decoder: codecs.IncrementalDecoder = field(init=False)

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder(self.encoding.codec)()

    def transcode(self, path: Path, start: int, target: Path) -> tuple[str, ...]:
        """Write a file as UTF-8.

        Args:
            path: The file.
            start: The byte after a byte-order mark.
            target: The UTF-8 file to write.

        Returns:
            Warnings about replaced characters.

        Raises:
            UnreadableDatasetError: Bytes are not valid in the encoding, and ``is_strict`` is set or there are too many.
        """
        self._position = start
        with path.open("rb") as file, target.open("wb") as output:
            file.seek(start)
            while chunk := file.read(_CHUNK_BYTES):
                output.write(self._decode(chunk).encode("utf-8", "replace"))
            output.write(self._decode(b"", final=True).encode("utf-8", "replace"))
        if not self._replaced:
            return ()
        verb = "character is" if self._replaced == 1 else "characters are"
        name, line = self.encoding.name, self._first_line
        return (f"{self._replaced:,} {verb} not {name} and replaced, the first in line {line:,}",)

    def _decode(self, chunk: bytes, *, final: bool = False) -> str:
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeError as error:
            self._locate(error, len(state[0]), chunk)
            self._decoder.setstate(state)
            text = self._replace(chunk, final=final)
        self._position += len(chunk)
        self._lines += text.count("\n")
        self._characters += len(text)
        return text

    def _locate(self, error: UnicodeError, pending: int, chunk: bytes) -> None:
        """Record the line of the first byte that is invalid in the encoding, or raise UnreadableDatasetError for it."""
        start = error.start if isinstance(error, UnicodeDecodeError) else pending
        before = (error.object if isinstance(error, UnicodeDecodeError) else chunk)[:start]
        line = self._lines + before.decode(self.encoding.codec, "replace").count("\n") + 1
        byte = self._position - pending + start
        if self.is_strict:
            raise UnreadableDatasetError(
                f"'{self.name}' is not {self.encoding.name}, which `encoding` of train.yaml says: "
                f"byte {byte:,} (line {line:,}) is not in it; correct or remove `encoding`",
                byte=byte,
                line=line,
            )
        self._first_line = self._first_line or line

    def _replace(self, chunk: bytes, *, final: bool) -> str:
        self._decoder.errors = "replace"
        text = self._decoder.decode(chunk, final)
        self._decoder.errors = "strict"
        self._replaced += text.count(_REPLACEMENT)
        if self._replaced > max(_MIN_REPLACED, _MAX_REPLACED * (self._characters + len(text))):
            line = self._lines + text.count("\n") + 1
            raise UnreadableDatasetError(
                f"'{self.name}' looks like {self.encoding.name}, but {self._replaced:,} characters up to "
                f"line {line:,} are not: name its encoding by `encoding:` in train.yaml"
            )
        return text
