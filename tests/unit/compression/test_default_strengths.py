"""The strengths of each pass if train.yaml names only the pass."""

from __future__ import annotations

import pytest

from pipeline.compression.recipes import plan_passes
from pipeline.contracts.records.variant import PassName
from pipeline.contracts.spec.job_spec import Compression

WEIGHTS = [
    "95% of the weights pruned",
    "92% of the weights pruned",
    "75% of the weights pruned",
    "50% of the weights pruned",
]


@pytest.mark.parametrize(
    ("name", "strengths"),
    [
        ("prune_magnitude", WEIGHTS),
        ("prune_magnitude_per_layer", WEIGHTS),
        ("prune_random", WEIGHTS),
        ("prune_taylor", WEIGHTS),
        ("prune_movement", WEIGHTS),
        ("prune_channels", [f"{share} of the channels pruned" for share in ("75%", "50%", "25%")]),
    ],
)
def test_the_strongest_pruning_is_tried_first(name: PassName, strengths: list[str]) -> None:
    plan = plan_passes(Compression(passes=(name,)))
    assert [steps[0].description for steps in plan.strengths] == strengths
    assert all(step.fine_tunes for steps in plan.strengths for step in steps)


def test_weight_sharing_tries_few_bits_first_and_fewer_with_fine_tuning() -> None:
    named = plan_passes(Compression(passes=("share_weights",))).quantizations["codebook"]
    planned = plan_passes(Compression(precisions=("codebook",))).quantizations["codebook"]
    assert [step.description.split()[0] for step in named] == ["8", "32", "256"]
    assert [step.description.split()[0] for step in planned] == ["32", "64", "256"]
    assert [all(step.fine_tunes for step in steps) for steps in (named, planned)] == [True, False]


def test_networks_are_pruned_only_if_passes_or_minutes_are_set() -> None:
    assert plan_passes(Compression()).changes == ()
    assert [step.name for (step, *_) in plan_passes(Compression(minutes=1)).changes] == ["prune_channels"]
