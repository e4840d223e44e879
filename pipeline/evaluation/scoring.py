"""Predictions of a served ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Column, Signature
from pipeline.evaluation.clusters import embed
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.sessions import WideSession, session_options
from pipeline.evaluation.several_targets import several_truths

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Feeds", "OnnxModel", "Predictions", "feeds", "one_row", "pixels", "truth"]

Feeds = Mapping[str, npt.NDArray[Any]]


class OnnxModel:
    """An onnxruntime session of a served file (contracts.signature), from its path or bytes."""

    def __init__(self, model: Path | bytes, *, threads: int = 1) -> None:
        file = model if isinstance(model, bytes) else str(model)
        self._session = WideSession(file, session_options(threads), providers=["CPUExecutionProvider"])

    def run(self, feeds: Feeds) -> Predictions:
        """Predict a batch; the file's outputs are identified by position."""
        first, *more = self.run_raw(feeds)
        if not more:
            return Predictions(values=first)
        if first.dtype != object:
            return Predictions(values=first, quantiles=more[0])
        return Predictions(labels=first, probabilities=more[0])

    def run_raw(self, feeds: Feeds) -> list[npt.NDArray[Any]]:
        """Return the outputs as onnxruntime returns them."""
        outputs: list[npt.NDArray[Any]] = self._session.run(None, feeds)
        return outputs


def feeds(frame: pl.DataFrame, signature: Signature) -> Feeds:
    """Return one array [rows] per column, with its type in contracts.signature; null becomes NaN, or '' in texts."""
    return {column.name: _feed(frame, column) for column in signature.columns}


def truth(frame: pl.DataFrame, signature: Signature) -> npt.NDArray[Any]:
    """Return the target for metrics.measure: labels [rows] (str), or values [rows] (float64).

    For clustering, which has no target, return the rows as points (clusters.embed); for several targets, what
    several_targets.several_truths returns.
    """
    if signature.task == "clustering":
        return embed(frame, signature)
    if signature.targets:
        return several_truths(frame, signature)
    target = frame[signature.target].to_numpy()
    return target.astype(object if signature.task == "classification" else np.float64)


def pixels(images: pl.Series, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return writable pixels, uint8 [rows, height, width, channels], of a Binary column (contracts.records.dataset)."""
    return np.frombuffer(bytearray().join(images), np.uint8).reshape(len(images), *shape)


def one_row(feeds: Feeds, index: int = 0) -> Feeds:
    """Return a batch with the row at ``index`` of ``feeds``."""
    return {name: values[index : index + 1] for name, values in feeds.items()}


def _feed(frame: pl.DataFrame, column: Column) -> npt.NDArray[Any]:
    import polars as pl  # noqa: PLC0415 - the predict function builds its feeds itself and has no polars

    series = frame[column.name]
    if column.kind == "image":
        return pixels(series, column.shape)
    if column.kind == "datetime" or column.is_wide:
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if column.kind in ("categorical", "text"):
        return series.cast(pl.String).fill_null("").to_numpy().astype(object)
    return series.cast(pl.Float32).fill_null(float("nan")).to_numpy()
