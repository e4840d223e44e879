"""Sessions of served files, which have one input per column."""

from __future__ import annotations

from collections.abc import Iterable

import onnxruntime

__all__ = ["WideSession"]


class WideSession(onnxruntime.InferenceSession):  # type: ignore[misc]  # onnxruntime has no types
    """An InferenceSession whose check of the inputs takes time in proportion to their number.

    onnxruntime looks each input up in a list before each run: with 10,000 columns that takes seconds.
    """

    def _validate_input(self, feed_input_names: Iterable[str]) -> None:
        super()._validate_input(frozenset(feed_input_names))
