"""The learning rate's schedules: what it is multiplied by after so many epochs. None keeps a state.

``epochs``: how many have passed, also in fractions. ``losses``: the validation loss of each whole one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pipeline.training.algorithm import Settings

__all__ = ["SCHEDULES", "factor"]

_WARMUP = 0.1  # the share of all steps of the schedule of that name, where none is given
_WARMUP_START = 0.01  # epochs: so much of the warm-up counts as over at first, since a rate of 0 teaches nothing
_WARMUP_SHARE = 0.3  # of one_cycle
_FIRST, _LAST = 1 / 25, 1e-4 / 25  # of one_cycle, as fractions of the highest rate


def factor(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    """Of the schedule that ``settings`` name, after the warm-up that they ask for (Goyal et al. 2017)."""
    name = settings["schedule"]
    found = SCHEDULES[name](settings, epochs, losses)
    share = settings["warmup"]
    if not share or name in ("warmup", "one_cycle"):
        return found
    return found * _ramp(settings, epochs, float(share))


def _ramp(settings: Settings, epochs: float, share: float) -> float:
    """Even steps up to 1; the first one is above 0."""
    return min(1.0, (epochs + _WARMUP_START) / (share * float(settings["epochs"]) + _WARMUP_START))


def _constant(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    return 1.0


def _step(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    """Times ``decay`` after each ``step_epochs``."""
    return float(settings["decay"] ** (math.floor(epochs) // settings["step_epochs"]))


def _exponential(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    """As step, but evenly."""
    return float(settings["decay"] ** (epochs / settings["step_epochs"]))


def _cosine(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    """Half a cosine down to 0 (Loshchilov and Hutter 2017, without restarts)."""
    return (1 + math.cos(math.pi * min(1.0, epochs / settings["epochs"]))) / 2


def _warmup(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    """Up to the rate, and there it stays."""
    return _ramp(settings, epochs, settings["warmup"] or _WARMUP)


def _one_cycle(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    """Up from a 25th of the rate and down to next to nothing, along cosines (Smith and Topin 2018)."""
    rise = (settings["warmup"] or _WARMUP_SHARE) * settings["epochs"]
    if epochs < rise:
        return _between(_FIRST, 1.0, epochs / rise)
    return _between(1.0, _LAST, min(1.0, (epochs - rise) / (settings["epochs"] - rise)))


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _plateau(settings: Settings, epochs: float, losses: Sequence[float]) -> float:
    """Times ``decay`` after more than ``step_epochs`` epochs without a better validation loss.

    As torch's ReduceLROnPlateau with ``patience=step_epochs`` and ``threshold=0``.
    """
    rate, best, bad_epochs = 1.0, math.inf, 0
    for loss in losses:
        best, bad_epochs = (loss, 0) if loss < best else (best, bad_epochs + 1)
        if bad_epochs > settings["step_epochs"]:
            rate, bad_epochs = rate * settings["decay"], 0
    return rate


SCHEDULES: Mapping[str, Callable[[Settings, float, Sequence[float]], float]] = MappingProxyType(
    {
        "constant": _constant,
        "step": _step,
        "exponential": _exponential,
        "cosine": _cosine,
        "warmup": _warmup,
        "one_cycle": _one_cycle,
        "plateau": _plateau,
    }
)
