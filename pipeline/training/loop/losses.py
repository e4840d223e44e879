"""The losses, with one value per row so that rows can be weighted, and the number of outputs that they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import LossName, NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import TrainingTask
from pipeline.training.loop.inference import to_predictions

__all__ = ["Loss", "make_loss", "member_mean", "outputs_of", "quantiles_of"]

Loss = Callable[[Tensor, Tensor], Tensor]  # outputs [batch, outputs], target [batch] -> [batch]

_functional = nn.functional
_DEFAULT_QUANTILES = (0.05, 0.5, 0.95)
_OF_CLASSES = frozenset({"cross_entropy", "focal"})
_OF_OBJECTIVES: Mapping[str, LossName | Literal["poisson"]] = MappingProxyType(
    {"squared_error": "mse", "absolute_error": "mae", "relative_error": "mae", "poisson": "poisson"}
)


def quantiles_of(config: NetworkConfig, task: TrainingTask) -> tuple[float, ...]:
    """Return the quantiles that a regression predicts besides its value, in ascending order."""
    if task.kind != "regression":
        return ()
    quantiles = config.quantiles or (_DEFAULT_QUANTILES if config.loss == "quantile" else ())
    return tuple(sorted(quantiles))


def outputs_of(config: NetworkConfig, task: TrainingTask) -> int:
    """Return the number of a network's outputs: one logit per class, or the value and its quantiles."""
    return task.classes or 1 + len(quantiles_of(config, task))


def make_loss(config: NetworkConfig, task: TrainingTask) -> Loss:
    """Make the loss that the config names; for an ensemble, the mean of its members' losses.

    Raises:
        CandidateFailedError: The loss does not apply to the task.
    """
    name = config.loss or ("cross_entropy" if task.classes else _OF_OBJECTIVES[task.loss])
    if (name in _OF_CLASSES) != bool(task.classes):
        applicable = ", ".join(loss for loss in get_args(LossName) if (loss in _OF_CLASSES) == bool(task.classes))
        raise CandidateFailedError(f"the loss '{name}' is not for {task.kind}: one of {applicable} is expected")
    row_loss = _make_row_loss(name, config)
    quantiles = quantiles_of(config, task)
    return partial(_mean_over_members, row_loss if task.classes else partial(_add_quantile_losses, row_loss, quantiles))


def member_mean(outputs: Tensor, *, classes: int) -> Tensor:
    """Return the mean prediction of an ensemble, in the form of a single network's outputs.

    Args:
        outputs: Outputs of the members [batch, members, outputs], or of a single network [batch, outputs].
        classes: Number of classes; 0 for a regression.

    Returns:
        Logarithms of the mean probabilities, or mean values [batch, outputs]; a single network's outputs unchanged.
    """
    if outputs.ndim == 2:
        return outputs
    means = to_predictions(outputs, classes=classes)
    return means.clamp_min(torch.finfo(means.dtype).tiny).log() if classes else means


def _mean_over_members(row_loss: Loss, outputs: Tensor, target: Tensor) -> Tensor:
    """Return each row's mean loss [batch] over the members of outputs [batch, members, outputs]."""
    if outputs.ndim == 2:
        return row_loss(outputs, target)
    members = outputs.shape[1]
    return row_loss(outputs.flatten(0, 1), target.repeat_interleave(members)).view(-1, members).mean(dim=1)


def _add_quantile_losses(row_loss: Loss, quantiles: tuple[float, ...], outputs: Tensor, target: Tensor) -> Tensor:
    """Return the loss of the value plus the mean loss of its quantiles."""
    losses = row_loss(outputs[:, 0], target)
    if not quantiles:
        return losses
    return losses + _pinball(outputs[:, 1:], target.unsqueeze(1), outputs.new_tensor(quantiles)).mean(dim=1)


def _make_row_loss(name: LossName | Literal["poisson"], config: NetworkConfig) -> Loss:  # noqa: PLR0911 - one per loss
    """Return the loss function of outputs [batch, classes] or values [batch]; its result is [batch]."""
    match name:
        case "cross_entropy":
            return partial(_functional.cross_entropy, reduction="none", label_smoothing=config.label_smoothing)
        case "focal":
            return partial(_focal, float(config.focal_gamma))
        case "mse":
            return partial(_functional.mse_loss, reduction="none")
        case "mae":
            return partial(_functional.l1_loss, reduction="none")
        case "huber":
            return partial(_functional.huber_loss, reduction="none", delta=config.huber_delta)
        case "poisson":  # the output is the logarithm of the rate
            return partial(_functional.poisson_nll_loss, log_input=True, reduction="none")
        case "quantile":  # the value is the median
            return lambda outputs, target: _pinball(outputs, target, outputs.new_tensor(0.5))


def _focal(gamma: float, outputs: Tensor, target: Tensor) -> Tensor:
    """Return (1 - p)^gamma times the cross-entropy: confident predictions weigh less (Lin et al. 2017)."""
    entropy = _functional.cross_entropy(outputs, target, reduction="none")
    miss_probability = torch.expm1(-entropy).neg().clamp_min(0)  # rounding may make it negative
    return miss_probability.pow(gamma) * entropy


def _pinball(outputs: Tensor, target: Tensor, quantiles: Tensor) -> Tensor:
    """Return the pinball loss, whose minimum is the quantile (Koenker and Bassett 1978)."""
    shortfall = target - outputs
    return torch.maximum(quantiles * shortfall, (quantiles - 1) * shortfall)
