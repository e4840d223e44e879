"""A candidate's files, as every candidate leaves them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import BODY, MODEL, REFERENCE
from pipeline.contracts.signature import Signature
from pipeline.graphs.served_graph import wrap

__all__ = ["write_artifacts"]


def write_artifacts(
    body: onnx.ModelProto,
    predicted: npt.NDArray[np.floating[Any]],
    *,
    dataset: Dataset,
    signature: Signature,
    workdir: Path,
) -> str:
    """Write body.onnx, model.onnx and reference.npz (records.outcome.TrainedCandidate); the sha256 of the model.

    ``predicted``: on the validation rows, on the target's own scale.
    """
    model = wrap(body, dataset, signature).SerializeToString()
    (workdir / MODEL).write_bytes(model)
    (workdir / BODY).write_bytes(body.SerializeToString())
    if signature.quantiles:
        outputs = predicted.astype(np.float64)
        np.savez(workdir / REFERENCE, value=outputs[:, 0], quantiles=outputs[:, 1:])
    elif dataset.task == "regression":
        np.savez(workdir / REFERENCE, value=predicted.astype(np.float64))
    else:
        np.savez(workdir / REFERENCE, probabilities=predicted.astype(np.float32))
    return hashlib.sha256(model).hexdigest()
