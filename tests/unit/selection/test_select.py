"""Selection of a variant, and the outcomes of the others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.records.variant import Artifact, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec, Limits, Prefer
from pipeline.selection.limits import missed_limits
from pipeline.selection.pareto import dominates, front
from pipeline.selection.select import select

PREFERENCES: tuple[Prefer, ...] = ("quality", "balanced", "size", "latency")


def variant(candidate: str, precision: str = "fp32", **changes: Any) -> Variant:
    """Make a variant from ``quality``, ``latency`` and ``size``, with status ok by default."""
    quality, size = changes.pop("quality", 0.9), changes.pop("size", 1000)
    fields = {
        "candidate": candidate,
        "algorithm": candidate,
        "precision": precision,
        "status": "ok",
        "artifact": Artifact(key=f"k/{candidate}/{precision}", sha256="0" * 64, bytes=size),
        "quality": {"accuracy": quality, "rmse": quality},
        "latency_us": changes.pop("latency", 20.0),
    }
    return Variant.model_validate(fields | changes)


def absent(candidate: str, status: str = "not_applicable") -> Variant:
    return Variant(
        candidate=candidate,
        algorithm=candidate,
        precision="int8",
        status="not_applicable" if status == "not_applicable" else "rejected",
        reason="a reason",
    )


def choose(*variants: Variant, metric: str = "accuracy", limits: Limits | None = None) -> Any:
    return select(VariantSet(variants=variants, cpu="a cpu"), metric=metric, spec=JobSpec(limits=limits or Limits()))


def test_the_best_candidate_wins_by_its_fp32_file() -> None:
    chosen = choose(variant("linear", quality=0.85, size=10), variant("trees", quality=0.87, size=9000))
    assert chosen.winner.candidate == "trees"
    assert chosen.reason == "of 2 candidates, trees has the best validation accuracy (0.87)"
    assert chosen.unmet == ()


def test_the_smallest_file_wins_within_a_tenth_of_a_percent_with_a_reason() -> None:
    large, small = variant("blend", quality=0.8700, size=9000), variant("trees", quality=0.8693, size=100)
    chosen = choose(large, small, variant("linear", quality=0.8690, size=10))
    assert chosen.winner == small
    assert [row.variant.candidate for row in chosen.leaderboard] == ["blend", "trees", "linear"]
    assert chosen.reason == (
        "of 3 candidates, trees has a validation accuracy (0.8693) within 0.1% of the best (blend, 0.87), and the "
        "smallest file of those"
    )


def test_min_quality_is_a_limit_of_accuracy_unless_a_metric_is_named() -> None:
    accurate = variant("linear").model_copy(update={"quality": {"accuracy": 0.9, "log_loss": 0.4}})
    sure = variant("trees").model_copy(update={"quality": {"accuracy": 0.85, "log_loss": 0.3}})
    variants = VariantSet(variants=(accurate, sure), cpu="a cpu")
    chosen = select(variants, metric="log_loss", spec=JobSpec(limits=Limits(min_quality=0.8)))
    assert (chosen.winner, chosen.unmet, chosen.quality_metric) == (sure, (), "accuracy")
    chosen = select(variants, metric="log_loss", spec=JobSpec(limits=Limits(min_quality=0.88)))
    assert chosen.winner == accurate
    chosen = select(variants, metric="log_loss", spec=JobSpec(metric="log_loss", limits=Limits(min_quality=0.35)))
    assert (chosen.winner, chosen.unmet, chosen.quality_metric) == (sure, (), "log_loss")


def test_a_selection_of_an_earlier_version_is_read() -> None:
    old = choose(variant("linear")).model_dump(mode="json", exclude={"quality_metric"})
    assert Selection.model_validate(old).quality_metric == ""


@pytest.mark.parametrize(("metric", "best"), [("accuracy", "b"), ("rmse", "a")])
def test_the_winner_follows_the_direction_of_the_metric(metric: str, best: str) -> None:
    assert choose(variant("a", quality=1.0), variant("b", quality=2.0), metric=metric).winner.candidate == best


def test_a_quantized_file_that_passed_its_gates_wins_over_fp32() -> None:
    chosen = choose(
        variant("mlp", quality=0.86, size=4000),
        variant("mlp", "int8", quality=0.859, size=1000, latency=25.0),
        variant("linear", quality=0.85, size=2000, latency=10.0),
    )
    assert (chosen.winner.candidate, chosen.winner.precision) == ("mlp", "int8")
    assert chosen.reason.endswith("mlp/int8 is 0.12% worse and 4.0 times smaller than fp32")


def test_a_quantized_file_that_another_candidate_dominates_is_not_selected() -> None:
    chosen = choose(
        variant("mlp", quality=0.86, size=4000),
        variant("mlp", "int8", quality=0.852, size=1000, latency=25.0),
        variant("linear", quality=0.855, size=900, latency=10.0),
    )
    assert (chosen.winner.candidate, chosen.winner.precision) == ("mlp", "fp32")


def test_rejected_files_are_never_selected_and_are_listed_last_without_a_rank() -> None:
    rejected = variant("mlp", "int8", quality=0.99, size=1, status="rejected", reason="agreement 0.5")
    chosen = choose(absent("trees"), rejected, variant("trees", quality=0.8), variant("mlp", quality=0.81))
    assert [(row.rank, row.variant.candidate, row.variant.precision) for row in chosen.leaderboard] == [
        (1, "mlp", "fp32"),
        (2, "trees", "fp32"),
        (None, "mlp", "int8"),
        (None, "trees", "int8"),
    ]
    assert [row.winner for row in chosen.leaderboard] == [True, False, False, False]


def test_a_file_within_the_limits_wins_over_a_better_file_beyond_them() -> None:
    big, small = variant("trees", quality=0.9, size=9000), variant("linear", quality=0.8, size=100)
    chosen = choose(big, small, limits=Limits(max_bytes=1000))
    assert chosen.winner == small
    assert chosen.unmet == ()
    assert chosen.reason.startswith("of the files that meet the limits (1 of 2), linear")


def test_a_quantized_file_can_win_as_the_only_file_of_the_best_candidate_within_the_limits() -> None:
    chosen = choose(
        variant("mlp", quality=0.9, size=9000),
        variant("mlp", "int8", quality=0.89, size=900),
        variant("linear", quality=0.895, size=100),
        limits=Limits(max_bytes=1000),
    )
    assert chosen.winner.candidate == "linear"  # it beats the int8 file in everything
    chosen = choose(
        variant("mlp", quality=0.9, size=9000),
        variant("mlp", "int8", quality=0.897, size=900),
        variant("linear", quality=0.895, size=100),
        limits=Limits(max_bytes=1000),
    )
    assert chosen.winner.precision == "int8"


def test_each_limit_that_no_file_meets_is_reported() -> None:
    limits = Limits(max_bytes=10, max_latency_us=1.0, min_quality=0.95)
    chosen = choose(variant("linear", quality=0.8), variant("trees", quality=0.9), limits=limits)
    assert chosen.winner.candidate == "trees"
    assert chosen.unmet == (
        "the file has 1000 bytes; limits.max_bytes is 10",
        "one row takes 20 us; limits.max_latency_us is 1",
        "accuracy is 0.9; limits.min_quality requires at least 0.95",
    )
    assert chosen.reason.startswith("no file meets the limits; of all, trees")


def test_min_quality_is_a_maximum_for_an_error_metric() -> None:
    assert choose(variant("a", quality=5.0), metric="rmse", limits=Limits(min_quality=6)).unmet == ()
    assert choose(variant("a", quality=7.0), metric="rmse", limits=Limits(min_quality=6)).unmet != ()


def test_equal_candidates_are_ordered_by_size_latency_beyond_ten_percent_and_name() -> None:
    assert choose(variant("b"), variant("a")).winner.candidate == "a"
    assert choose(variant("b", size=9), variant("a", size=10)).winner.candidate == "b"
    assert choose(variant("b", latency=9.1), variant("a", latency=10.0)).winner.candidate == "a"
    assert choose(variant("b", latency=9.0), variant("a", latency=10.0)).winner.candidate == "b"


@given(st.lists(st.tuples(st.integers(80, 90), st.floats(100, 109), st.integers(1, 99)), min_size=2, max_size=5))
def test_latencies_within_the_noise_do_not_change_the_winner(drawn: list[tuple[int, float, int]]) -> None:
    winners = {
        choose(
            *(
                variant(f"c{index}", quality=quality / 100, size=size, latency=latency if noisy else 100.0)
                for index, (quality, latency, size) in enumerate(drawn)
            )
        ).winner.candidate
        for noisy in (False, True)
    }
    assert len(winners) == 1


_NUMBERS = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
_CANDIDATES = st.lists(st.tuples(_NUMBERS, st.none() | _NUMBERS), min_size=1, max_size=5)


def _variants(drawn: list[Any]) -> list[Variant]:
    def make_variant(name: str, precision: str, numbers: tuple[int, int, int]) -> Variant:
        quality, latency, size = numbers
        return variant(name, precision, quality=quality / 10, latency=float(latency), size=size)

    full = [make_variant(f"c{i}", "fp32", numbers) for i, (numbers, _) in enumerate(drawn)]
    return full + [make_variant(f"c{i}", "int8", numbers) for i, (_, numbers) in enumerate(drawn) if numbers]


@given(_CANDIDATES, st.sampled_from(["accuracy", "rmse"]), st.none() | st.integers(1, 4), st.sampled_from(PREFERENCES))
def test_no_competing_file_dominates_the_winner(
    drawn: list[Any], metric: str, max_bytes: int | None, prefer: Prefer
) -> None:
    variants, limits = _variants(drawn), Limits(max_bytes=max_bytes, prefer=prefer)
    chosen = choose(*variants, metric=metric, limits=limits)
    within = [v for v in variants if not missed_limits(v, metric, limits)]
    assert not any(dominates(competitor, chosen.winner, metric) for competitor in within or variants)
    assert bool(chosen.unmet) == bool(chosen.nearest) == (not within)


@given(_CANDIDATES, st.data())
def test_a_variant_outside_its_gates_or_the_limits_is_never_selected(drawn: list[Any], data: Any) -> None:
    variants = [
        v if v.precision == "fp32" else v.model_copy(update={"status": data.draw(st.sampled_from(["ok", "rejected"]))})
        for v in _variants(drawn)
    ]
    limits = Limits(max_bytes=data.draw(st.integers(1, 4)), prefer=data.draw(st.sampled_from(PREFERENCES)))
    chosen = choose(*variants, limits=limits)
    assert chosen.winner.status == "ok"
    assert chosen.unmet or chosen.winner.artifact.bytes <= limits.max_bytes


@given(_CANDIDATES, st.sampled_from(PREFERENCES))
def test_every_variant_has_an_outcome_and_a_reason(drawn: list[Any], prefer: Prefer) -> None:
    chosen = choose(*_variants(drawn), limits=Limits(prefer=prefer))
    for row in chosen.leaderboard:
        assert (row.outcome == "winner") == row.winner
        assert row.reason
        if row.outcome == "dominated":
            assert not (row.on_front and row.winner)


@given(_CANDIDATES)
def test_preferences_order_the_quality_the_size_and_the_latency_of_the_winner(drawn: list[Any]) -> None:
    quality, balanced, size, latency = (
        choose(*_variants(drawn), limits=Limits(prefer=prefer)).winner for prefer in PREFERENCES
    )
    assert quality.quality["accuracy"] >= 0.999 * balanced.quality["accuracy"]
    assert size.artifact is not None
    assert latency.artifact is not None
    assert balanced.quality["accuracy"] >= 0.994 * quality.quality["accuracy"]
    assert size.artifact.bytes <= latency.artifact.bytes
    assert latency.latency_us <= 1.1 * size.latency_us


@given(_CANDIDATES, st.randoms())
def test_the_order_of_the_variants_does_not_change_the_selection(drawn: list[Any], random: Any) -> None:
    variants = _variants(drawn)
    shuffled = random.sample(variants, len(variants))
    assert choose(*variants) == choose(*shuffled)


@given(_CANDIDATES)
def test_the_front_has_the_variants_that_nothing_dominates_and_is_never_empty(drawn: list[Any]) -> None:
    variants = _variants(drawn)
    best = front(variants, "accuracy")
    assert best
    for competing in variants:
        assert any(dominates(competitor, competing, "accuracy") for competitor in variants) != (competing in best)


@given(_CANDIDATES)
def test_ranks_follow_the_metric(drawn: list[Any]) -> None:
    rows = choose(*_variants(drawn)).leaderboard
    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))
    values = [row.variant.quality["accuracy"] for row in rows]
    assert values == sorted(values, reverse=True)
    assert sum(row.winner for row in rows) == 1
