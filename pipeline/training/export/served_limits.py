"""Check a model against the limits of train.yaml: size of the served file, and latency on this machine."""

from __future__ import annotations

import math
import time

import numpy as np
import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.spec.job_spec import Limits
from pipeline.evaluation.scoring import OnnxModel, feeds, one_row
from pipeline.graphs.served_graph import wrap
from pipeline.training.algorithm import FittedModel

__all__ = ["is_within_limits"]

_LATENCY_ROUNDS = 30


def is_within_limits(fitted: FittedModel, limits: Limits, dataset: Dataset, rows: pl.DataFrame) -> bool:
    """Return whether the served file is within the limits of its size and of the median latency of one row.

    Args:
        fitted: The model.
        limits: The limits of train.yaml.
        dataset: Data set record of ``rows``.
        rows: Rows; the prediction of the first one is timed.
    """
    if limits.max_bytes is None and limits.max_latency_us is None:
        return True
    signature = dataset.signature_of(fitted.classes, fitted.quantiles)
    served = wrap(fitted.body(), dataset, signature).SerializeToString()
    if len(served) > (limits.max_bytes or math.inf):
        return False
    if limits.max_latency_us is None:
        return True
    model, row = OnnxModel(served), one_row(feeds(rows, signature))
    microseconds = []
    for _ in range(_LATENCY_ROUNDS):
        began = time.perf_counter()
        model.run_raw(row)
        microseconds.append(1e6 * (time.perf_counter() - began))
    return float(np.median(microseconds)) <= limits.max_latency_us
