"""Peers on small images: a network over the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["IMAGE_PEERS", "image_answer_of"]

IMAGE_PEERS = ("MLPClassifier 784-128-10",)


def image_answer_of(  # noqa: PLR0913 - same as quality_peers.answer_of
    peer: str, learn: pl.DataFrame, test: pl.DataFrame, *, target: str, classes: tuple[str, ...], threads: int
) -> npt.NDArray[np.floating[Any]]:
    """Fit MLPClassifier (Adam, batches of 32, 10 epochs) on ``learn``; return its probabilities [rows, classes]."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    def pixels(frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        return np.frombuffer(b"".join(frame["image"]), np.uint8).reshape(frame.height, -1) / 255

    with threadpool_limits(threads):
        model = MLPClassifier(hidden_layer_sizes=(128,), batch_size=32, max_iter=10, random_state=0)
        model.fit(pixels(learn), learn[target].to_numpy().astype(str))
        probabilities = model.predict_proba(pixels(test))
    return probabilities[:, [list(model.classes_).index(label) for label in classes]]
