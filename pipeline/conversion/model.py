"""A converted model with what the original predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import onnx

from pipeline.conversion.sample import Sample

__all__ = ["ConvertedModel"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertedModel:
    """A graph of raw columns.

    Attributes:
        model: One input per column; outputs label and probabilities, or value.
        sample: The columns that it reads.
        expected: What the original predicts for the sample, in the order of the outputs.
        kind: Name of the original's class.
    """

    model: onnx.ModelProto
    sample: Sample
    expected: Sequence[npt.NDArray[Any]]
    kind: str
