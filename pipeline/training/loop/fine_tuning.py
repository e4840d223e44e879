"""A network begins with the weights of a registered one (transfer learning)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.dataset import Dataset
from pipeline.graphs.encoding import CAT, IMAGE, NUM, TEXT, Encoding
from pipeline.training.algorithm import Base, Problem, Rows, Settings

__all__ = ["load_pretrained", "read_base"]

_NAMED = 5  # arrays that a message names


def read_base(version: str, weights: Path, frame: pl.DataFrame, dataset: Dataset, *, same_answers: bool) -> Base:
    """``frame``: the rows that it was trained on; ``dataset``: how they are read (planning.as_the_base_reads)."""
    encoded = Encoding.of(dataset).encode(frame)
    rows = Rows(
        num=encoded[NUM],
        cat=encoded[CAT],
        text=encoded[TEXT],
        image=encoded[IMAGE],
        target=np.zeros(frame.height, np.int64),
    )
    return Base(version=version, weights=weights, same_answers=same_answers, rows=rows)


def load_pretrained(network: nn.Module, settings: Settings, problem: Problem) -> tuple[str, ...]:
    """Put the registered weights in where names and shapes agree; with ``freeze`` only the last layer goes on learning.

    The last layer is taken over where the answers are the same. What was done, in words.
    Raise CandidateFailedError when nothing fits, or what is to be frozen does not.
    """
    if not settings["base_model"]:
        return ()
    from safetensors.torch import load_file

    assert problem.base is not None, "the plan names it too"
    given = load_file(problem.base.weights)
    last = _last_layer(network)
    fitting = {
        name: given[name]
        for name, own in network.state_dict().items()
        if name in given and given[name].shape == own.shape and (problem.base.same_answers or name not in last)
    }
    unfit = [name for name in network.state_dict() if name not in fitting]
    _check(problem.base, fitting, [name for name in unfit if name not in last], freeze=settings["freeze"])
    network.load_state_dict(fitting, strict=False)
    if settings["freeze"]:
        _freeze(network, last)
    return _told(problem.base, fitting, unfit, last, freeze=settings["freeze"])


def _check(base: Base, fitting: Mapping[str, Tensor], unfit: list[str], *, freeze: bool) -> None:
    if not fitting:
        raise CandidateFailedError(f"none of the weights of {base.version} fits this network")
    if freeze and unfit:
        raise CandidateFailedError(
            f"freeze: the weights of {base.version} do not fit this network in {_names(unfit)}, which would stay as "
            "they are drawn: the same architecture is expected, or no freeze"
        )


def _told(
    base: Base, fitting: Mapping[str, Tensor], unfit: list[str], last: frozenset[str], *, freeze: bool
) -> tuple[str, ...]:
    notes = [f"initialized with the weights of {base.version} ({len(fitting)} of {len(fitting) + len(unfit)} arrays)"]
    if inner := [name for name in unfit if name not in last]:
        notes.append(f"{_names(inner)} did not fit and were initialized anew")
    if last & set(unfit):
        notes.append("it predicts other classes; the last layer was initialized anew")
    if freeze:
        notes.append("only the last layer was trained")
    return tuple(notes)


def _names(arrays: list[str]) -> str:
    return ", ".join(arrays[:_NAMED]) + (", ..." if len(arrays) > _NAMED else "")


def _last_layer(network: nn.Module) -> frozenset[str]:
    """The names of the weights of the last module that has any."""
    *_, (name, module) = (
        (name, module)
        for name, module in network.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    )
    return frozenset(f"{name}.{own}" if name else own for own, _ in module.named_parameters(recurse=False))


def _freeze(network: nn.Module, last: frozenset[str]) -> None:
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in last)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.0  # its statistics stay as well
