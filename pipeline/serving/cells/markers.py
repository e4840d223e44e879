"""Markers of missing values in requests, which are those of the training file."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pipeline.contracts.signature import Signature
from pipeline.parsing.missing import MISSING, NUMBER_MISSING

__all__ = ["MissingMarkers"]


class MissingMarkers:
    """Markers of missing values: the default ones, or those of train.yaml.

    Attributes:
        texts: Texts that mark a missing value in any column.
        texts_of_numbers: Texts that mark a missing value in numeric columns.
        numbers: Numbers that mark a missing value, such as -999.
    """

    def __init__(self, signature: Signature) -> None:
        if signature.missing is None:
            self.texts = MISSING
            self.texts_of_numbers = MISSING | NUMBER_MISSING
        else:
            self.texts = self.texts_of_numbers = frozenset({"", *signature.missing})
        self.numbers = frozenset(_parse_numbers(self.texts))


def _parse_numbers(texts: Iterable[str]) -> Iterable[float]:
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            yield number
