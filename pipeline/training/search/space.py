"""Draw settings from a search space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from pipeline.contracts.algorithms.hyperparameter import Range, Setting, Settings, Space

__all__ = ["GRID_STEPS", "contains", "grid", "sample_settings"]

GRID_STEPS = 3  # grid values of a range: both ends and the middle
_ATTEMPTS = 20  # maximum draws per requested sample, since draws may repeat


def grid(space: Space) -> Iterator[Settings]:
    """Yield all combinations, the last setting changing fastest; a range has three values: both ends and the middle."""
    names = list(space)
    for values in itertools.product(*(_steps(space[name]) for name in names)):
        yield dict(zip(names, values, strict=True))


def sample_settings(space: Space, count: int, seed: int) -> Iterator[Settings]:
    """Yield up to ``count`` distinct settings, drawn uniformly (log-uniformly for a range with ``log``)."""
    generator = np.random.default_rng(seed)
    samples: list[Settings] = []
    for _ in range(count * _ATTEMPTS):
        if len(samples) == count:
            return
        sample = {name: _sample_value(among, generator) for name, among in space.items()}
        if sample not in samples:
            samples.append(sample)
            yield sample


def contains(space: Space, settings: Settings) -> bool:
    """Return whether the space contains the settings."""
    return all(_contains_value(values, settings.get(name)) for name, values in space.items())


def _contains_value(values: Range | tuple[Setting, ...], value: Setting) -> bool:
    if not isinstance(values, Range):
        return value in values
    return isinstance(value, int | float) and values.low <= value <= values.high


def _steps(values: Range | tuple[Setting, ...]) -> tuple[Setting, ...]:
    if not isinstance(values, Range):
        return values
    return tuple(dict.fromkeys(_interpolate(values, step / (GRID_STEPS - 1)) for step in range(GRID_STEPS)))


def _sample_value(values: Range | tuple[Setting, ...], generator: np.random.Generator) -> Setting:
    if isinstance(values, Range):
        return _interpolate(values, float(generator.random()))
    return values[int(generator.integers(len(values)))]


def _interpolate(bounds: Range, fraction: float) -> int | float:
    """Return the number that lies ``fraction`` of the way from low to high."""
    if bounds.log:
        value = math.exp(math.log(bounds.low) + fraction * (math.log(bounds.high) - math.log(bounds.low)))
    else:
        value = bounds.low + fraction * (bounds.high - bounds.low)
    value = min(max(value, bounds.low), bounds.high)  # exp(log(x)) may exceed a bound by rounding
    return round(value) if bounds.whole else value
