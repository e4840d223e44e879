"""Initialize a network with the weights of a registered model (transfer learning)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from torch import nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.dataset import Dataset
from pipeline.graphs.encoding import Encoding
from pipeline.training.algorithm import PretrainedModel, Rows, TrainingTask
from pipeline.training.distributed.batch_norm import batch_norms

__all__ = ["load_pretrained", "read_base"]

_MAX_NAMED_ARRAYS = 5  # maximum number of arrays that a message names


def read_base(
    version: str, weights: Path, frame: pl.DataFrame, dataset: Dataset, *, has_same_outputs: bool
) -> PretrainedModel:
    """Read a base model.

    Args:
        version: The model version, which notes name.
        weights: File of the base model's weights (safetensors).
        frame: The rows that the base model was trained on.
        dataset: Data set record with which these rows are encoded (planning.fine_tuning).
        has_same_outputs: Whether the base model predicts the same classes, or values, as the new network.
    """
    rows = Rows(**Encoding.of(dataset).encode(frame), target=np.zeros(frame.height, np.int64))
    return PretrainedModel(version=version, weights=weights, has_same_outputs=has_same_outputs, rows=rows)


def load_pretrained(network: nn.Module, config: NetworkConfig, task: TrainingTask) -> tuple[str, ...]:
    """Load the weights of the base model where names and shapes agree; with ``freeze`` only the last layer is trained.

    The last layer is loaded too if the classes, or values, are the same.

    Returns:
        Notes on what was loaded; none without a base model.

    Raises:
        CandidateFailedError: No weights fit, or a layer that ``freeze`` would freeze has no weights that fit.
    """
    if not config.base_model:
        return ()
    from safetensors.torch import load_file

    assert task.base is not None, "the plan names it too"
    pretrained = load_file(task.base.weights)
    last = _last_layer(network)
    matching = {
        name: pretrained[name]
        for name, tensor in network.state_dict().items()
        if name in pretrained
        and pretrained[name].shape == tensor.shape
        and (task.base.has_same_outputs or name not in last)
    }
    mismatched = [name for name in network.state_dict() if name not in matching]
    inner = [name for name in mismatched if name not in last]
    version, arrays = task.base.version, len(matching) + len(mismatched)
    if not matching:
        raise CandidateFailedError(f"none of the weights of {version} fits this network")
    if config.freeze and inner:
        raise CandidateFailedError(
            f"freeze: the weights of {version} do not fit this network in {_format_names(inner)}, which would keep "
            "random values: the same architecture is expected, or no freeze"
        )
    notes = [f"initialized with the weights of {version} ({len(matching)} of {arrays} arrays)"]
    network.load_state_dict(matching, strict=False)
    if inner:
        notes.append(f"{_format_names(inner)} did not fit and were reinitialized")
    if last & set(mismatched):
        notes.append("it predicts other classes; the last layer was reinitialized")
    if config.freeze:
        _freeze(network, last)
        notes.append("only the last layer was trained")
    return tuple(notes)


def _format_names(arrays: list[str]) -> str:
    return ", ".join(arrays[:_MAX_NAMED_ARRAYS]) + (", ..." if len(arrays) > _MAX_NAMED_ARRAYS else "")


def _last_layer(network: nn.Module) -> frozenset[str]:
    """Return the names of the parameters of the last module that has parameters of its own."""
    *_, (name, module) = (
        (name, module)
        for name, module in network.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    )
    return frozenset(
        f"{name}.{parameter_name}" if name else parameter_name
        for parameter_name, _ in module.named_parameters(recurse=False)
    )


def _freeze(network: nn.Module, last: frozenset[str]) -> None:
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in last)
    for norm in batch_norms(network):
        norm.momentum = 0.0  # freezes the running statistics, too
