"""Detect the encoding of a text file from its bytes."""

from __future__ import annotations

from pipeline.validation.readers.encodings.detection import detect_encoding
from pipeline.validation.readers.encodings.names import UTF_8, TextEncoding, find_codec

__all__ = ["UTF_8", "TextEncoding", "detect_encoding", "find_codec"]
