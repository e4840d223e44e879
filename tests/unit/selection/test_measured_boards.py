"""Selection among variants with measured values of real runs, and among variants without a valid quality."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pipeline.contracts.records.variant import Artifact, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec, Limits, Prefer
from pipeline.selection.pareto import dominates, front
from pipeline.selection.select import select

# name, log loss, stored bytes, microseconds of one row; measured on Titanic and Adult, 2026-11-30.
TITANIC = """
blend/fp32                             0.42175 375457 243
blend/codebook                         0.42183 338653 241
gradient_boosting/fp32                 0.42196  29729  42
gradient_boosting/codebook             0.42214  11682  41
gradient_boosting/prune_trees          0.42490   7862  34
gradient_boosting/prune_trees+codebook 0.42503   4558  34
kernel_ridge/fp32                      0.43276  66259 134
linear/fp32                            0.43901   2170  29
"""
ADULT = """
gradient_boosting/fp32                 0.27418  457525 203
gradient_boosting/codebook             0.27457  162633 202
gradient_boosting/prune_trees          0.27533   46657  52
gradient_boosting/prune_trees+codebook 0.27660   18397  53
random_forest/fp32                     0.29622 1365936  93
mlp/fp32                               0.29691 1280251  80
linear/fp32                            0.31872    4296  30
"""


def read_board(text: str) -> list[Variant]:
    return [
        make_variant(name, log_loss=float(log_loss), size=int(size), latency=float(latency))
        for name, log_loss, size, latency in (line.split() for line in text.strip().splitlines())
    ]


def make_variant(name: str, *, size: int, latency: float, **quality: float) -> Variant:
    candidate, _, label = name.partition("/")
    return Variant(
        name=name,
        candidate=candidate,
        algorithm=candidate,
        passes=() if label == "fp32" else ("prune_trees",),
        precision="codebook" if label.endswith("codebook") else "fp32",
        status="ok",
        artifact=Artifact(key=name, sha256="0" * 64, bytes=size),
        quality=quality,
        latency_us=latency,
    )


def choose(board: list[Variant], prefer: Prefer = "balanced", **limits: Any) -> Selection:
    spec = JobSpec(limits=Limits(prefer=prefer, **limits))
    return select(VariantSet(variants=tuple(board), cpu="a cpu"), metric="log_loss", spec=spec)


@pytest.mark.parametrize(
    ("board", "prefer", "winner"),
    [
        (TITANIC, "quality", "gradient_boosting/codebook"),
        (TITANIC, "balanced", "gradient_boosting/prune_trees+codebook"),
        (TITANIC, "size", "gradient_boosting/prune_trees+codebook"),
        (TITANIC, "latency", "gradient_boosting/prune_trees+codebook"),
        (ADULT, "quality", "gradient_boosting/fp32"),  # the codebook costs 0.14 %
        (ADULT, "balanced", "gradient_boosting/prune_trees+codebook"),
        (ADULT, "size", "gradient_boosting/prune_trees+codebook"),
        (ADULT, "latency", "gradient_boosting/prune_trees+codebook"),
    ],
)
def test_each_preference_selects_a_winner_that_no_variant_dominates(board: str, prefer: Prefer, winner: str) -> None:
    variants = read_board(board)
    chosen = choose(variants, prefer)
    assert chosen.winner.name == winner
    assert not any(dominates(variant, chosen.winner, "log_loss") for variant in variants)


@pytest.mark.parametrize("board", [TITANIC, ADULT])
def test_latencies_that_differ_by_less_than_ten_percent_do_not_change_the_winner(board: str) -> None:
    variants = read_board(board)
    for factor in (0.96, 1.04):
        noisy = [
            variant.model_copy(update={"latency_us": (variant.latency_us or 0) * (factor if index % 2 else 1)})
            for index, variant in enumerate(variants)
        ]
        assert choose(noisy).winner.name == choose(variants).winner.name


def test_fp32_is_served_if_all_compressed_files_are_rejected() -> None:
    full, *others = read_board(ADULT)
    rejected = [variant.model_copy(update={"status": "rejected", "reason": "a gate"}) for variant in others]
    assert choose([full, *rejected]).winner == full


@pytest.mark.parametrize("prefer", ["quality", "balanced", "size", "latency"])
@pytest.mark.parametrize("quality", [{"log_loss": math.nan}, {}, {"log_loss": math.inf}])
def test_a_variant_without_a_finite_quality_dominates_nothing_and_is_not_served(
    prefer: Prefer, quality: dict[str, float]
) -> None:
    broken = make_variant("forest/fp32", size=10, latency=1.0, **quality)
    board = read_board(ADULT)
    chosen = choose([broken, *board], prefer)
    assert chosen.winner.candidate == "gradient_boosting"
    assert not any(dominates(broken, variant, "log_loss") for variant in board)
    assert front([broken, *board], "log_loss") == [
        broken,
        *front(board, "log_loss"),
    ]  # the broken variant is the smallest


@pytest.mark.parametrize("prefer", ["quality", "balanced", "size", "latency"])
def test_the_smallest_file_is_served_if_no_variant_has_a_quality(prefer: Prefer) -> None:
    board = [make_variant(f"{name}/fp32", size=size, latency=9.0) for name, size in (("forest", 20), ("linear", 10))]
    assert choose(board, prefer).winner.candidate == "linear"
