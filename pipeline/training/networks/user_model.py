"""Load the user's ``model.py``. The code is untrusted: it runs only in the sandbox process.

    import torch
    from pydantic import BaseModel, Field

    class Settings(BaseModel):                     # optional: the settings in train.yaml's ``code``
        width: int = Field(64, ge=1)

    def build(shape, settings) -> torch.nn.Module:  # forward(num, cat), forward(num), forward(cat) or forward(image)
        ...

``shape`` is a ModelShape. ``forward`` takes the inputs that the data set has, in this order: ``num`` float32
[batch, shape.numbers], standardized, 0 for missing values; ``cat`` int64 [batch, len(shape.cardinalities)]; ``image``
float32 [batch, channels, height, width] in [0, 1]. It returns [batch, shape.outputs]: logits, or one standardized value
followed by the quantiles of ``training.quantiles``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.object_keys import MODEL_CODE

__all__ = ["ModelShape", "UserModel", "load_user_model"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """Shape of a network's inputs and outputs.

    Args:
        numbers: Number of numeric columns.
        cardinalities: Number of ids of each categorical column.
        image: Height, width and channels; empty if the data set has no images.
        outputs: Number of outputs.
    """

    numbers: int
    cardinalities: tuple[int, ...]
    image: tuple[int, ...]
    outputs: int


class UserModel(nn.Module):
    """The user's module, preceded by a standardization; ``forward`` takes the encoded inputs of graphs.encoding.

    Args:
        module: The user's module.
        num: Numbers of the training rows [rows, columns], whose mean and deviation standardize the inputs.
        reads: Names of the module's inputs, in the order of its arguments.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, module: nn.Module, num: npt.NDArray[np.float32], *, reads: tuple[str, ...]) -> None:
        super().__init__()
        self.module = module
        self._reads = reads
        has_values = np.isfinite(num).any(axis=0)
        filled = np.where(has_values, num, 0)
        self.register_buffer("mean", torch.from_numpy(np.nanmean(filled, axis=0, dtype=np.float64).astype(np.float32)))
        scale = np.nanstd(filled, axis=0, dtype=np.float64).astype(np.float32)
        self.register_buffer("scale", torch.from_numpy(np.where(scale > 0, scale, 1).astype(np.float32)))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the outputs of the user's module for standardized inputs."""
        outputs: Tensor = self.module(*map(self._clean, self._reads, inputs))
        return outputs

    def _clean(self, name: str, tensor: Tensor) -> Tensor:
        if name == "num":
            standard = (tensor - self.mean) / self.scale
            return torch.where(torch.isnan(standard), torch.zeros_like(standard), standard)
        return tensor.permute(0, 3, 1, 2).float() / 255 if name == "image" else tensor


def load_user_model(code: Path, settings: str, shape: ModelShape) -> nn.Module:
    """Build the module of the user's code. The code is untrusted: call this only in the sandbox process.

    Args:
        code: File of the user's model.py.
        settings: Settings for ``build``, as JSON.
        shape: Shape of the inputs and outputs.

    Raises:
        CandidateFailedError: The settings are invalid, or ``build`` does not return a module with trainable parameters.
        Exception: Any exception of the user's code, so that its traceback can be reported.
    """
    space = ModuleType("model")
    exec(compile(code.read_bytes(), MODEL_CODE, "exec"), space.__dict__)  # noqa: S102 - runs in the sandbox
    factory: Callable[..., Any] = space.build
    module = factory(shape, _settings(getattr(space, "Settings", None), json.loads(settings)))
    if not isinstance(module, nn.Module):
        raise CandidateFailedError(
            f"{MODEL_CODE}: build returned a {type(module).__name__}: a torch.nn.Module is expected"
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise CandidateFailedError(f"{MODEL_CODE}: the module has no parameters to train")
    return module


class _NoSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _settings(schema: type[BaseModel] | None, values: dict[str, Any]) -> BaseModel:
    try:
        return (schema or _NoSettings).model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise CandidateFailedError(f"train.yaml: code.{where}: {MODEL_CODE} does not take it: {first['msg']}") from None
