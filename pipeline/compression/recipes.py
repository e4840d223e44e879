"""Plan the passes of a candidate: those that ``compression`` of train.yaml names, else those that usually help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.compression.passes.columns.prune_columns import PruneColumns
from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.block_weights import BlockWeights
from pipeline.compression.passes.quantization.dynamic_int8 import DYNAMIC_CONFIGS, DynamicInt8
from pipeline.compression.passes.quantization.mixed_int8 import MixedInt8
from pipeline.compression.passes.quantization.static_int8 import STATIC_CONFIGS, StaticInt8, StaticInt8Config
from pipeline.compression.passes.trees.choose_trees import Choice
from pipeline.compression.passes.trees.distill_trees import DistillTrees
from pipeline.compression.passes.trees.prune_leaves import PruneLeaves
from pipeline.compression.passes.trees.prune_trees import PruneTrees
from pipeline.compression.passes.trees.quantize_trees import QuantizeTrees
from pipeline.compression.passes.weights.round_weights import RoundWeights
from pipeline.compression.passes.weights.share_weights import ShareWeights
from pipeline.contracts.records.variant import PRECISION_OF_PASS, PassName, Precision
from pipeline.contracts.spec.job_spec import Compression

if TYPE_CHECKING:
    from pipeline.compression.fine_tuning.constraints import Importance

__all__ = ["AUTOMATIC", "PASSES", "CompressionPlan", "PassStep", "plan_passes"]

_SPARSITIES = (0.95, 0.92, 0.75, 0.5)  # Deep Compression keeps 8 % of LeNet-300-100
_CHANNEL_RATIOS = (0.75, 0.5, 0.25)
_CODEBOOK_BITS = (5, 6, 8)
_EXACT_FRACTIONS = (0.25, 0.5)
_TUNED_CODEBOOK_BITS = (3, 5, 8)  # fewer bits reach the same quality, since the values are fine-tuned
_COLUMN_CHANGES = (0.01, 0.001, 1e-6)
_TREE_STEPS = (16, 12, 8, 6, 4, 3)  # for example 16: one tree in 16 is kept
_TREE_CHOICES: Mapping[PassName, Choice] = {
    "prune_trees": "greedy",
    "prune_trees_evenly": "evenly",
    "prune_trees_first": "first",
}
_LEAF_FRACTIONS = (0.12, 0.25, 0.5)
_DISTILLED_TREES = (200, 800)
_TREE_BITS = (5, 6, 8, 16)
_MAX_AUTOMATIC_DROP = 0.003  # drop by pruning trees: below MAX_BALANCED_DROP, since quantization adds to it


@dataclass(frozen=True, kw_only=True, slots=True)
class PassStep:
    """One way to apply a pass.

    Attributes:
        name: Name of the pass in train.yaml.
        make: Makes the pass for a candidate.
        description: The strength or the configuration, for the leaderboard; empty: the pass has none.
        fine_tunes: Whether it trains.
        refits: Whether it refits leaves on training rows; its file has learned less from validation rows than a bag.
        max_quality_drop: Largest drop in quality, if stricter than ``compression.max_quality_drop``.
    """

    name: PassName
    make: Callable[[PassContext], GraphPass]
    description: str = ""
    fine_tunes: bool = False
    refits: bool = False
    max_quality_drop: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressionPlan:
    """The passes to try on a candidate.

    Attributes:
        changes: Passes that change the network, in order; each as its strengths, the strongest first.
        quantizations: Precision -> alternative passes, the smallest file first; the first to pass its gates is kept.
        unchanged_too: Whether the unchanged network is quantized as well.
    """

    changes: tuple[tuple[PassStep, ...], ...]
    quantizations: Mapping[Precision, tuple[PassStep, ...]]
    unchanged_too: bool = False

    @property
    def fine_tunes(self) -> bool:
        """Return whether one of the passes trains."""
        return any(step.fine_tunes for steps in (*self.changes, *self.quantizations.values()) for step in steps)

    @property
    def bisects(self) -> bool:
        """Return whether the strengths may be bisected: all passes are on trees, whose quality falls with strength."""
        return all(step.refits for steps in self.changes for step in steps)

    @property
    def strengths(self) -> tuple[tuple[PassStep, ...], ...]:
        """Return the sequences of changes, the strongest first; a pass with fewer strengths repeats its last one."""
        count = max((len(steps) for steps in self.changes), default=0)
        return tuple(tuple(steps[min(level, len(steps) - 1)] for steps in self.changes) for level in range(count))


def _uncalibrated(name: PassName, make: Callable[[], GraphPass], description: str = "") -> PassStep:
    """Return a step whose pass needs no context."""
    return PassStep(name=name, make=lambda context: make(), description=description)


def _fine_tuned(name: PassName, description: str = "", **options: Any) -> PassStep:
    make = partial(_make_fine_tuned, name, **options)
    return PassStep(name=name, make=make, description=description, fine_tunes=True)


def _make_fine_tuned(name: PassName, context: PassContext, **options: Any) -> GraphPass:
    """Make a pass that trains; torch is imported here, which takes a second."""
    from pipeline.compression.passes.fine_tune import FineTune  # noqa: PLC0415
    from pipeline.compression.passes.pruning.prune_channels import PruneChannels  # noqa: PLC0415
    from pipeline.compression.passes.pruning.prune_weights import PruneWeights  # noqa: PLC0415
    from pipeline.compression.passes.quantization.quantization_aware import QuantizationAwareTraining  # noqa: PLC0415
    from pipeline.compression.passes.weights.share_tuned_weights import ShareTunedWeights  # noqa: PLC0415

    makers: dict[PassName, Callable[..., GraphPass]] = {
        "fine_tune": FineTune,
        "prune_channels": PruneChannels,
        "quantization_aware_training": QuantizationAwareTraining,
        "share_weights": ShareTunedWeights,
        **dict.fromkeys(_IMPORTANCE, PruneWeights),
    }
    return makers[name](context, **options)


_IMPORTANCE: Mapping[PassName, Importance] = {
    "prune_magnitude": "magnitude",
    "prune_magnitude_per_layer": "magnitude_per_layer",
    "prune_random": "random",
    "prune_taylor": "taylor",
    "prune_movement": "movement",
}
_DYNAMIC = tuple(_uncalibrated("dynamic_int8", partial(DynamicInt8, config), str(config)) for config in DYNAMIC_CONFIGS)
_MIXED = tuple(
    PassStep(
        name="mixed_int8",
        make=partial(MixedInt8, exact=exact),
        description=f"static scales, the most sensitive {exact:.0%} of the layers in fp32",
    )
    for exact in _EXACT_FRACTIONS
)
_QUANTIZATION_AWARE = _fine_tuned("quantization_aware_training", "fine-tuned for integers")


def _calibrated(name: PassName, *configs: StaticInt8Config) -> tuple[PassStep, ...]:
    return tuple(
        PassStep(name=name, make=partial(StaticInt8, config=config), description=str(config)) for config in configs
    )


def _refitted(name: PassName, description: str, make: Callable[[PassContext], GraphPass]) -> PassStep:
    return PassStep(name=name, make=make, description=description, refits=True)


PASSES: Mapping[PassName, tuple[PassStep, ...]] = {
    **{
        name: tuple(
            _fine_tuned(name, f"{sparsity:.0%} of the weights pruned", sparsity=sparsity, importance=importance)
            for sparsity in _SPARSITIES
        )
        for name, importance in _IMPORTANCE.items()
    },
    "prune_columns": tuple(
        PassStep(
            name="prune_columns",
            make=partial(PruneColumns, max_change=change),
            description=f"columns that change predictions by at most {change:g} dropped",
        )
        for change in _COLUMN_CHANGES
    ),
    "fine_tune": (_fine_tuned("fine_tune"),),
    **{
        name: tuple(
            _refitted(name, f"one tree in {step} kept", partial(PruneTrees, step=step, choice=choice))
            for step in _TREE_STEPS
        )
        for name, choice in _TREE_CHOICES.items()
    },
    "prune_leaves": tuple(
        _refitted("prune_leaves", f"{ratio:.0%} of the leaves kept", partial(PruneLeaves, ratio=ratio))
        for ratio in _LEAF_FRACTIONS
    ),
    "distill_trees": tuple(
        _refitted("distill_trees", f"{count} new trees for each sum", partial(DistillTrees, count=count))
        for count in _DISTILLED_TREES
    ),
    "quantize_trees": tuple(
        _refitted(
            "quantize_trees", f"{bits} bits per leaf, {max(bits, 8)} per threshold", partial(QuantizeTrees, bits=bits)
        )
        for bits in _TREE_BITS
    ),
    "prune_channels": tuple(
        _fine_tuned("prune_channels", f"{ratio:.0%} of the channels pruned", ratio=ratio) for ratio in _CHANNEL_RATIOS
    ),
    "share_weights": tuple(
        _fine_tuned("share_weights", f"{2**bits} values per tensor", bits=bits) for bits in _TUNED_CODEBOOK_BITS
    ),
    "fp16": (_uncalibrated("fp16", partial(RoundWeights, "fp16")),),
    "bf16": (_uncalibrated("bf16", partial(RoundWeights, "bf16")),),
    "dynamic_int8": _DYNAMIC,
    "static_int8": _calibrated("static_int8", *STATIC_CONFIGS),
    "static_int8_percentile": _calibrated("static_int8_percentile", StaticInt8Config(calibration="percentile")),
    "static_int8_entropy": _calibrated("static_int8_entropy", StaticInt8Config(calibration="entropy")),
    "mixed_int8": _MIXED,
    "quantization_aware_training": (_QUANTIZATION_AWARE,),
    "weights_int8": (_uncalibrated("weights_int8", partial(BlockWeights, 8)),),
    "weights_int4": (_uncalibrated("weights_int4", partial(BlockWeights, 4)),),
}

# None of these passes fine-tunes, so that a variant takes seconds. Static scales are faster, scales per row more exact;
# percentiles are better than the largest value if activations have a long tail.
AUTOMATIC: Mapping[Precision, tuple[PassStep, ...]] = {
    "fp16": PASSES["fp16"],
    "bf16": PASSES["bf16"],
    "int8": (PASSES["static_int8"][0], _DYNAMIC[0], *PASSES["static_int8_percentile"], _MIXED[-1], _DYNAMIC[-1]),
    "int4": PASSES["weights_int4"],
    "codebook": tuple(
        _uncalibrated("share_weights", partial(ShareWeights, bits), f"{2**bits} values per tensor")
        for bits in _CODEBOOK_BITS
    ),
}


def plan_passes(compression: Compression, *, has_trees: bool = False) -> CompressionPlan:
    """Plan the passes of a candidate.

    Args:
        compression: Section of the JobSpec.
        has_trees: Whether the candidate's body has a tree ensemble.
    """
    named = compression.passes
    automatic: dict[Precision, tuple[PassStep, ...]] = {
        precision: AUTOMATIC[precision] for precision in compression.precisions if precision != "fp32"
    }
    if has_trees and (named == "auto" or "codebook" in automatic):
        automatic["codebook"] = PASSES["quantize_trees"]
    if named != "auto":
        changes = tuple(PASSES[name] for name in named if name not in PRECISION_OF_PASS)
        quantizations = {PRECISION_OF_PASS[name]: PASSES[name] for name in named if name in PRECISION_OF_PASS}
        return CompressionPlan(changes=changes, quantizations=quantizations or automatic)
    if has_trees:
        pruning = tuple(replace(step, max_quality_drop=_MAX_AUTOMATIC_DROP) for step in PASSES["prune_trees"])
        return CompressionPlan(changes=(pruning,), quantizations=automatic, unchanged_too=True)
    if compression.minutes is None:
        return CompressionPlan(changes=(), quantizations=automatic)
    if "int8" in automatic:  # the last resort: it takes minutes
        automatic["int8"] = (*automatic["int8"], _QUANTIZATION_AWARE)
    return CompressionPlan(changes=(PASSES["prune_channels"],), quantizations=automatic, unchanged_too=True)
