"""``limits.prefer`` moves the winner along the Pareto front by fixed rules."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.records.variant import Acceptance, Artifact, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec, Limits, Prefer
from pipeline.registry.promotion import promotion_blocker
from pipeline.selection.acceptance import accept
from pipeline.selection.select import select


def variant(name: str, *, log_loss: float, size: int, latency: float = 20.0, **changes: Any) -> Variant:
    candidate, _, precision = name.partition("/")
    fields = {
        "candidate": candidate,
        "algorithm": candidate,
        "precision": precision or "fp32",
        "status": "ok",
        "artifact": Artifact(key=f"k/{name}", sha256="0" * 64, bytes=size),
        "quality": {"log_loss": log_loss, "accuracy": 0.9},
        "interval": {"log_loss": (log_loss - 0.01, log_loss + 0.01)},
        "latency_us": latency,
    }
    return Variant.model_validate(fields | changes)


def choose(*variants: Variant, prefer: Prefer = "balanced", **limits: Any) -> Selection:
    spec = JobSpec(limits=Limits(prefer=prefer, **limits))
    return select(VariantSet(variants=variants, cpu="a cpu"), metric="log_loss", spec=spec)


FULL = variant("mlp", log_loss=0.300, size=1000)
HALF = variant("mlp/fp16", log_loss=0.3001, size=450)
INT8 = variant("mlp/int8", log_loss=0.302, size=240, latency=14.0)
CODEBOOK = variant("mlp/codebook", log_loss=0.308, size=100)
LINEAR = variant("linear", log_loss=0.306, size=20, latency=5.0)
BOARD = (FULL, HALF, INT8, CODEBOOK, LINEAR)


@pytest.mark.parametrize(
    ("prefer", "name"),
    [("quality", "mlp/fp16"), ("balanced", "mlp/fp16"), ("size", "linear/fp32"), ("latency", "linear/fp32")],
)
def test_each_preference_selects_its_winner(prefer: Prefer, name: str) -> None:
    chosen = choose(*BOARD, prefer=prefer)
    assert (chosen.winner.display_name, chosen.prefer) == (name, prefer)


def test_all_four_preferences_can_select_different_winners() -> None:
    full = variant("mlp", log_loss=0.3000, size=1000, latency=40.0)
    small = variant("mlp/int8", log_loss=0.3010, size=300, latency=30.0)
    tiny = variant("mlp/codebook", log_loss=0.3060, size=100, latency=40.0)
    quick = variant("linear", log_loss=0.3061, size=400, latency=5.0)
    preferences: tuple[Prefer, ...] = ("quality", "balanced", "size", "latency")
    winners = [choose(full, small, tiny, quick, prefer=prefer).winner for prefer in preferences]
    assert winners == [full, small, tiny, quick]


def test_balanced_takes_a_file_only_if_it_saves_half_of_the_bytes() -> None:
    smaller = variant("mlp/int8", log_loss=0.302, size=220)
    assert choose(FULL, HALF, smaller).winner == smaller
    assert choose(FULL, INT8).winner == INT8  # 4 times smaller than fp32
    assert choose(FULL, variant("mlp/int8", log_loss=0.302, size=501)).winner == FULL


def test_balanced_takes_a_file_that_saves_half_of_the_latency_but_not_for_twice_the_bytes() -> None:
    fast = variant("mlp/int8", log_loss=0.301, size=1900, latency=10.0)
    assert choose(FULL, fast).winner == fast
    assert choose(FULL, variant("mlp/int8", log_loss=0.301, size=2001, latency=10.0)).winner == FULL


def test_balanced_costs_less_than_half_a_percent_of_the_quality() -> None:
    assert choose(FULL, variant("mlp/int8", log_loss=0.3049, size=10)).winner.precision == "int8"
    chosen = choose(FULL, variant("mlp/int8", log_loss=0.3051, size=10))
    assert chosen.winner == FULL
    (lost,) = [row for row in chosen.leaderboard if not row.winner]
    assert (lost.outcome, lost.on_front) == ("less_preferred", True)
    assert "0.51%" in lost.reason


def test_balanced_does_not_take_another_candidate_for_its_size() -> None:
    chosen = choose(FULL, variant("student", log_loss=0.3007, size=20))
    assert chosen.winner == FULL
    (lost,) = [row for row in chosen.leaderboard if not row.winner]
    assert lost.outcome == "worse_candidate"


def test_size_keeps_the_quality_gates_of_the_best_candidate() -> None:
    far = variant("linear", log_loss=0.3102, size=20, latency=5.0)
    assert choose(FULL, far, prefer="size").winner == FULL
    noisy = variant("linear", log_loss=0.3098, size=20, interval={})
    tight = FULL.model_copy(update={"interval": {"log_loss": (0.29, 0.305)}})
    chosen = choose(tight, noisy, prefer="size")
    assert chosen.winner == tight
    assert "outside its 95 % interval" in chosen.leaderboard[1].reason


def test_latency_takes_the_smallest_of_the_equally_fast_files() -> None:
    fast = variant("trees", log_loss=0.301, size=400, latency=10.0)
    nearly = variant("linear", log_loss=0.305, size=30, latency=10.9)
    assert choose(FULL, fast, nearly, prefer="latency").winner == nearly


def test_losing_variants_have_the_winner_or_the_missed_limit_as_a_reason() -> None:
    beaten = variant("mlp/int8", log_loss=0.31, size=1200, latency=30.0)
    chosen = choose(FULL, beaten, CODEBOOK, max_bytes=1100, prefer="quality")
    outcomes = {row.variant.display_name: (row.outcome, row.reason) for row in chosen.leaderboard}
    assert outcomes["mlp/int8"][0] == "misses_limits"
    assert "1100" in outcomes["mlp/int8"][1]
    chosen = choose(FULL, beaten, prefer="quality")
    row = chosen.leaderboard[1]
    assert row.outcome == "dominated"
    assert row.reason == (
        "mlp/fp32 has log_loss 0.3 instead of 0.31, 1000 bytes instead of 1200, 20 us instead of 30, and is not worse "
        "in any other way"
    )


def test_the_nearest_variants_are_listed_if_no_variant_meets_the_limits() -> None:
    chosen = choose(*BOARD, max_bytes=10)
    assert chosen.unmet
    assert chosen.nearest == ("linear/fp32", "mlp/codebook", "mlp/int8")
    assert all(row.misses for row in chosen.leaderboard)
    assert choose(*BOARD, max_bytes=50).nearest == ()


def test_a_pruned_fp32_file_is_compared_with_the_unpruned_file_of_its_candidate() -> None:
    pruned = variant("mlp", log_loss=0.299, size=300, passes=("prune_channels",)).model_copy(
        update={"name": "mlp/prune_channels"}
    )
    chosen = choose(FULL, pruned, LINEAR)
    assert chosen.winner == pruned
    assert "3.3 times smaller than fp32" in chosen.reason


ACCEPTANCE = Acceptance(run="demo_m_0123456789ab", variant="mlp/int8", by="ada")


def test_the_accepted_variant_is_the_winner_and_the_record_names_the_person() -> None:
    before = choose(*BOARD, max_bytes=10)
    after = accept(before, ACCEPTANCE)
    assert (after.winner.display_name, after.unmet, after.nearest) == ("mlp/int8", (), ())
    assert after.accepted == ACCEPTANCE
    outcomes = {row.variant.display_name: row.outcome for row in after.leaderboard}
    assert outcomes["mlp/int8"] == "winner"
    assert outcomes[before.winner.display_name] == "less_preferred"
    assert [row.winner for row in after.leaderboard].count(True) == 1
    assert "ada" in after.reason


def test_an_accepted_variant_can_be_promoted_without_another_decision() -> None:
    missed = choose(*BOARD, max_bytes=10)
    manual = JobSpec(promote="manual")
    assert promotion_blocker(manual, missed) is not None
    assert promotion_blocker(manual, accept(missed, ACCEPTANCE)) is None
