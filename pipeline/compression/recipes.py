"""What is tried for each precision, from the smallest file to the most exact one; the first that passes is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from pipeline.compression.passes import GraphPass
from pipeline.compression.quantize_int8 import INT8_CONFIGS, QuantizeInt8
from pipeline.compression.round_weights import RoundWeights
from pipeline.compression.share_weights import ShareWeights
from pipeline.contracts.records.variant import Precision

__all__ = ["RECIPES", "Recipe"]

_CODEBOOK_BITS = (5, 6, 8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One way to make a file of a precision.

    Attributes:
        name: What the leaderboard says of it; "" where there is nothing to say.
        make_pass: Makes the pass over the body.
    """

    name: str
    make_pass: Callable[[], GraphPass]


RECIPES: Mapping[Precision, tuple[Recipe, ...]] = {
    "fp32": (),
    "fp16": (Recipe(name="", make_pass=RoundWeights),),
    "int8": tuple(Recipe(name=str(config), make_pass=partial(QuantizeInt8, config)) for config in INT8_CONFIGS),
    "codebook": tuple(
        Recipe(name=f"{2**bits} values in each tensor", make_pass=partial(ShareWeights, bits))
        for bits in _CODEBOOK_BITS
    ),
}
