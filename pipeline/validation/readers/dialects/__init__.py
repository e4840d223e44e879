"""Dialects of delimited text: delimiter, header, comments, units and footer, found before the rows are read."""

from __future__ import annotations

from pipeline.validation.readers.dialects.detect import detect_dialect
from pipeline.validation.readers.dialects.dialect import Dialect

__all__ = ["Dialect", "detect_dialect"]
