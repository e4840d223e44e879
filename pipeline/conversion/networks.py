"""Convert a torch state with the ``model.py`` that builds its module."""

from __future__ import annotations

import importlib.util
import pickle
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from safetensors.torch import load_file
from torch import nn

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.model import ConvertedModel
from pipeline.conversion.raw_columns import read_columns
from pipeline.conversion.sample import Sample
from pipeline.graphs.compose import OPSETS, normalize

__all__ = ["convert_network"]

_CODE = "model.py"


def convert_network(path: Path, sample: Sample) -> ConvertedModel:
    """Convert a state (``torch.save(module.state_dict())``, or safetensors) of a module that reads numbers.

    ``model.py`` in the same folder has a function ``build()`` that returns the module; its ``forward`` takes float32
    ``[batch, columns]`` and returns ``[batch]`` or ``[batch, outputs]``.

    Raises:
        InvalidModelError: There is no such code, or the state does not fit the module.
    """
    module = _build(path.with_name(_CODE))
    try:
        module.load_state_dict(_load_state(path))
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[1:2]) or str(error).splitlines()[0]
        raise InvalidModelError(f"{path.name} does not fit the module of {_CODE}: {reason}") from None
    module.eval()
    rows = torch.from_numpy(sample.matrix())
    with torch.no_grad():
        try:
            values = module(rows).numpy()
        except RuntimeError as error:
            raise InvalidModelError(f"the module of {_CODE} cannot take {tuple(rows.shape)}: {error}") from None
        body = _export(module, rows)
    return ConvertedModel(
        model=read_columns(body, sample), sample=sample, expected=[values], kind=type(module).__name__
    )


def _export(module: nn.Module, rows: torch.Tensor) -> onnx.ModelProto:
    """Return the module as a graph whose output is ``value``."""
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            module,
            (rows[:2],),
            dynamo=True,
            dynamic_shapes=({0: batch},),
            opset_version=OPSETS[""],
            output_names=["value"],
            verbose=False,
        )
    assert program is not None
    return normalize(program.model_proto)


def _build(code: Path) -> Any:
    """Return the module of ``model.py``.

    Raises:
        InvalidModelError: There is no such file, it raises, or it has no function ``build()``.
    """
    if not code.is_file():
        raise InvalidModelError(
            f"{code} is expected: its function build() returns the module that the state belongs to"
        )
    specification = importlib.util.spec_from_file_location("model", code)
    assert specification is not None
    assert specification.loader is not None
    library = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(library)
        module = library.build()
    except Exception as error:  # noqa: BLE001 - the user's own code
        raise InvalidModelError(f"{code.name} raised {type(error).__name__}: {error}") from None
    if not isinstance(module, nn.Module):
        raise InvalidModelError(
            f"build() of {code.name} returns a {type(module).__name__}, and a torch module is expected"
        )
    return module


def _load_state(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidModelError(f"{path.name} is not the state of a torch module: {reason}") from None
