"""Learning-rate schedules: factors of the learning rate, as stateless functions of the epochs trained so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.contracts.algorithms.network_config import NetworkConfig

__all__ = ["lr_factor"]

_WARMUP = 0.1  # default fraction of all steps of the schedule ``warmup``
_WARMUP_START = 0.01  # epochs by which the warm-up is ahead, since a learning rate of 0 would waste the first step
_RISE_FRACTION = 0.3  # default fraction of the epochs in which the learning rate of one_cycle rises
_FIRST, _LAST = 1 / 25, 1e-4 / 25  # first and last factor of one_cycle, whose highest factor is 1


def lr_factor(config: NetworkConfig, epochs: float, losses: Sequence[float]) -> float:
    """Return the factor of the learning rate.

    Args:
        config: Hyper-parameters with the schedule and ``warmup``, the fraction of the epochs for the warm-up.
        epochs: Number of epochs trained so far, with a fraction.
        losses: The validation loss of each completed epoch.

    References:
        Goyal et al. 2017, Accurate, Large Minibatch SGD (warm-up).
    """
    factor = _scheduled_factor(config, epochs, losses)
    if not config.warmup or config.schedule in ("warmup", "one_cycle"):
        return factor
    return factor * _warmup_factor(config, epochs, float(config.warmup))


def _scheduled_factor(  # noqa: PLR0911 - one per schedule
    config: NetworkConfig, epochs: float, losses: Sequence[float]
) -> float:
    match config.schedule:
        case "constant":
            return 1.0
        case "step":
            return float(config.decay ** (math.floor(epochs) // config.step_epochs))
        case "exponential":
            return float(config.decay ** (epochs / config.step_epochs))
        case "cosine":  # half a cosine (Loshchilov and Hutter 2017, without restarts)
            return (1 + math.cos(math.pi * min(1.0, epochs / config.epochs))) / 2
        case "warmup":
            return _warmup_factor(config, epochs, config.warmup or _WARMUP)
        case "one_cycle":
            return _one_cycle(config, epochs)
        case "plateau":
            return _plateau(config, losses)


def _warmup_factor(config: NetworkConfig, epochs: float, fraction: float) -> float:
    """Rise linearly to 1 over a fraction of the epochs; the first value is above 0."""
    return min(1.0, (epochs + _WARMUP_START) / (fraction * float(config.epochs) + _WARMUP_START))


def _one_cycle(config: NetworkConfig, epochs: float) -> float:
    """Rise from 1/25 to 1 and fall to almost 0, along cosines (Smith and Topin 2018)."""
    warmup_epochs = (config.warmup or _RISE_FRACTION) * config.epochs
    if epochs < warmup_epochs:
        return _interpolate(_FIRST, 1.0, epochs / warmup_epochs)
    return _interpolate(1.0, _LAST, min(1.0, (epochs - warmup_epochs) / (config.epochs - warmup_epochs)))


def _interpolate(first: float, last: float, fraction: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * fraction)) / 2


def _plateau(config: NetworkConfig, losses: Sequence[float]) -> float:
    """Multiply by ``decay`` after more than ``step_epochs`` epochs without a better validation loss.

    Equivalent to torch's ReduceLROnPlateau with ``patience=step_epochs`` and ``threshold=0``.
    """
    rate, best, bad_epochs = 1.0, math.inf, 0
    for loss in losses:
        best, bad_epochs = (loss, 0) if loss < best else (best, bad_epochs + 1)
        if bad_epochs > config.step_epochs:
            rate, bad_epochs = rate * config.decay, 0
    return rate
