"""Rewrite a text file as UTF-8, a chunk at a time."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.readers.encodings import TextEncoding

__all__ = ["transcode"]

_CHUNK_BYTES = 1 << 20
_MAX_REPLACED = 0.01  # maximum share of invalid characters
_MIN_REPLACED = 20
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class LegacyText:
    """A file in ``encoding``, whose text begins at byte ``start``, after a byte-order mark.

    ``is_strict``: bytes that are not in ``encoding`` are refused; they are replaced otherwise.
    """

    name: str
    path: Path
    encoding: TextEncoding
    start: int
    is_strict: bool


def transcode(legacy: LegacyText, target: Path) -> tuple[str, ...]:
    """Write ``legacy`` to ``target`` as UTF-8 and return warnings.

    Raises:
        UnreadableDatasetError: Bytes are not in the encoding, and that was chosen or many are not.
    """
    transcoder = _Transcoder(legacy, position=legacy.start)
    with legacy.path.open("rb") as file, target.open("wb") as output:
        file.seek(legacy.start)
        while chunk := file.read(_CHUNK_BYTES):
            output.write(transcoder.decode(chunk).encode("utf-8", "replace"))
        output.write(transcoder.decode(b"", final=True).encode("utf-8", "replace"))
    return transcoder.report()


@dataclass(slots=True)
class _Transcoder:
    legacy: LegacyText
    position: int
    lines: int = 0
    characters: int = 0
    replaced: int = 0
    first_line: int = 0
    decoder: codecs.IncrementalDecoder = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder(self.legacy.encoding.codec)()

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        state = self.decoder.getstate()
        try:
            text = self.decoder.decode(chunk, final)
        except UnicodeError as error:
            self._locate(error, len(state[0]), chunk)
            self.decoder.setstate(state)
            text = self._replace(chunk, final=final)
        self.position += len(chunk)
        self.lines += text.count("\n")
        self.characters += len(text)
        return text

    def _locate(self, error: UnicodeError, pending: int, chunk: bytes) -> None:
        """Note the line of the first byte that is not in the encoding, or raise UnreadableDatasetError for it."""
        start = error.start if isinstance(error, UnicodeDecodeError) else pending
        before = (error.object if isinstance(error, UnicodeDecodeError) else chunk)[:start]
        line = self.lines + before.decode(self.legacy.encoding.codec, "replace").count("\n") + 1
        byte = self.position - pending + start
        if self.legacy.is_strict:
            raise UnreadableDatasetError(
                f"'{self.legacy.name}' is not {self.legacy.encoding.name}, which `encoding` of train.yaml says: "
                f"byte {byte:,} (line {line:,}) is not in it; correct or remove `encoding`",
                byte=byte,
                line=line,
            )
        self.first_line = self.first_line or line

    def _replace(self, chunk: bytes, *, final: bool) -> str:
        self.decoder.errors = "replace"
        text = self.decoder.decode(chunk, final)
        self.decoder.errors = "strict"
        self.replaced += text.count(_REPLACEMENT)
        if self.replaced > max(_MIN_REPLACED, _MAX_REPLACED * (self.characters + len(text))):
            line = self.lines + text.count("\n") + 1
            raise UnreadableDatasetError(
                f"'{self.legacy.name}' looks like {self.legacy.encoding.name}, but {self.replaced:,} characters up to "
                f"line {line:,} are not: name its encoding by `encoding:` in train.yaml"
            )
        return text

    def report(self) -> tuple[str, ...]:
        if not self.replaced:
            return ()
        verb = "character is" if self.replaced == 1 else "characters are"
        codec = self.legacy.encoding.name
        return (f"{self.replaced:,} {verb} not {codec} and replaced, the first in line {self.first_line:,}",)
