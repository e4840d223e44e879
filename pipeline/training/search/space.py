"""Settings drawn from a declared space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pipeline.contracts.algorithm_spec import Range, Setting, Space

__all__ = ["GRID_STEPS", "drawn", "grid", "holds"]

GRID_STEPS = 3  # of a range in a grid: its ends and its middle
_ATTEMPTS = 20  # draws for one that has not been drawn before


def grid(space: Space) -> Iterator[dict[str, Setting]]:
    """All combinations, the last setting changing first; a range gives its ends and its middle."""
    names = list(space)
    for values in itertools.product(*(_steps(space[name]) for name in names)):
        yield dict(zip(names, values, strict=True))


def drawn(space: Space, count: int, seed: int) -> Iterator[dict[str, Setting]]:
    """Up to ``count`` different settings drawn evenly; fewer where the space has no more."""
    generator = np.random.default_rng(seed)
    seen: list[dict[str, Setting]] = []
    for _ in range(count * _ATTEMPTS):
        if len(seen) == count:
            return
        found = {name: _drawn(among, generator) for name, among in space.items()}
        if found not in seen:
            seen.append(found)
            yield found


def holds(space: Space, settings: Mapping[str, Any]) -> bool:
    """Whether ``settings`` are a point of the space."""
    return all(_among(among, settings.get(name)) for name, among in space.items())


def _among(among: Range | tuple[Setting, ...], value: Any) -> bool:
    if not isinstance(among, Range):
        return value in among
    return isinstance(value, int | float) and among.low <= value <= among.high


def _steps(among: Range | tuple[Setting, ...]) -> tuple[Setting, ...]:
    if not isinstance(among, Range):
        return among
    return tuple(dict.fromkeys(_at(among, step / (GRID_STEPS - 1)) for step in range(GRID_STEPS)))


def _drawn(among: Range | tuple[Setting, ...], generator: np.random.Generator) -> Setting:
    if isinstance(among, Range):
        return _at(among, float(generator.random()))
    return among[int(generator.integers(len(among)))]


def _at(among: Range, share: float) -> int | float:
    """The number that lies ``share`` of the way from low to high."""
    if among.log:
        value = math.exp(math.log(among.low) + share * (math.log(among.high) - math.log(among.low)))
    else:
        value = among.low + share * (among.high - among.low)
    value = min(max(value, among.low), among.high)  # the logarithm's way back may end a bit beyond
    return round(value) if among.whole else value
