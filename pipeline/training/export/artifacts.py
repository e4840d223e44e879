"""Write the files of a trained candidate."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import BODY, EDGES, MODEL, REFERENCE
from pipeline.contracts.signature import Signature
from pipeline.graphs.served_graph import wrap

__all__ = ["write_artifacts"]

_MAX_WEIGHT_BYTES = 2_100_000_000  # below protobuf's limit of 2 ** 31 - 1 bytes, which includes the rest of the graph


def write_artifacts(  # noqa: PLR0913 - the contents of the files
    body: onnx.ModelProto,
    predicted: npt.NDArray[np.floating[Any]],
    *,
    dataset: Dataset,
    signature: Signature,
    workdir: Path,
    edges: npt.NDArray[np.floating[Any]] | None = None,
) -> str:
    """Write body.onnx, model.onnx and reference.npz (records.outcome.TrainedCandidate).

    Args:
        body: Graph from the encoded columns to the predictions.
        predicted: Predictions for the validation rows, in the target's own units.
        dataset: Data set record, from which the served file's preprocessing is built.
        signature: Columns and predictions of the served file.
        workdir: Folder of the candidate.
        edges: Predictions for the edge rows (evaluation.golden.edge_rows); None: there are none.

    Returns:
        The sha256 of model.onnx.

    Raises:
        CandidateFailedError: The weights do not fit into one ONNX file.
    """
    weights = sum(len(tensor.raw_data) for tensor in body.graph.initializer)
    if weights > _MAX_WEIGHT_BYTES:
        raise CandidateFailedError(
            f"the model has {weights / 1e9:.1f} GB of weights, at most {_MAX_WEIGHT_BYTES / 1e9:.1f} GB fit into an "
            "ONNX file: fewer or narrower layers are expected, or serve: single in place of a bag"
        )
    model = wrap(body, dataset, signature).SerializeToString()
    (workdir / MODEL).write_bytes(model)
    (workdir / BODY).write_bytes(body.SerializeToString())
    arrays: dict[str, Any] = {}
    if signature.quantiles:
        outputs = predicted.astype(np.float64)
        arrays |= {"value": outputs[:, 0], "quantiles": outputs[:, 1:]}
    elif dataset.task == "regression":
        arrays["value"] = predicted.astype(np.float64)
    else:
        arrays["probabilities"] = predicted.astype(np.float32)
    if edges is not None:
        arrays[EDGES] = edges.astype(np.float64)
    np.savez(workdir / REFERENCE, **arrays)
    return hashlib.sha256(model).hexdigest()
