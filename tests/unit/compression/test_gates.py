"""What a compressed file may lose, and what it must win."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.compression.gates import FileCost, Predicted, failed_cost_gates, failed_quality_gates
from pipeline.contracts.spec.job_spec import Compression
from pipeline.evaluation.ranking import relative_drop

NAN = float("nan")
QUALITY = {"accuracy": 0.9, "rmse": 100.0}
FULL, FULL_COST = Predicted(quality=QUALITY), FileCost(bytes=1000, latency_us=20.0)


def predicted(*, agreement: float = 1.0, batch_difference: float = 0.0, **quality: float) -> Predicted:
    return Predicted(quality=QUALITY | quality, agreement=agreement, batch_difference=batch_difference)


def quality_sentences(
    small: Predicted, *, metric: str = "accuracy", interval: tuple[float, float] | None = None
) -> tuple[str, ...]:
    full = dataclasses.replace(FULL, interval={metric: interval} if interval else {})
    return failed_quality_gates(full, small, metric=metric, limits=Compression())


def cost_sentences(*, size: int = 300, latency: float = 20.0, **limits: float) -> tuple[str, ...]:
    return failed_cost_gates(FULL_COST, FileCost(bytes=size, latency_us=latency), limits=Compression(**limits))


def test_a_file_that_is_smaller_and_as_good_keeps_its_gates() -> None:
    assert quality_sentences(predicted(accuracy=0.895, agreement=0.98)) == ()
    assert cost_sentences(latency=29.0, max_slowdown=1.5) == ()


@pytest.mark.parametrize(
    ("small", "metric", "said"),
    [
        (predicted(accuracy=0.88), "accuracy", "accuracy 0.88 is 2.22% worse than fp32's 0.9, at most 1.00%"),
        (predicted(rmse=102.0), "rmse", "rmse 102 is 2.00% worse than fp32's 100, at most 1.00% is allowed"),
        (predicted(rmse=float("nan")), "rmse", "rmse is not finite: some row has no finite prediction"),
        (predicted(agreement=0.96), "accuracy", "its agreement with fp32 is 0.9600, at least 0.9800 is expected"),
        (predicted(batch_difference=0.01), "accuracy", "its prediction for a row depends on the other rows of the"),
    ],
)
def test_each_gate_of_quality_says_what_it_saw_and_what_it_expected(small: Predicted, metric: str, said: str) -> None:
    (sentence,) = quality_sentences(small, metric=metric)
    assert sentence.startswith(said)


def test_each_gate_of_cost_says_what_it_saw_and_what_it_expected() -> None:
    assert cost_sentences(size=1000) == (
        "it is neither smaller nor faster: 1000 bytes and 20 us for one row, fp32 has 1000 and 20",
    )
    (sentence,) = cost_sentences(latency=40.0, max_slowdown=1.5)
    assert sentence.startswith("one row takes 40 us, 2.00 times fp32's 20 us, at most 1.5 times")


@pytest.mark.parametrize(
    "small",
    [
        predicted(accuracy=NAN),
        predicted(agreement=NAN),
        predicted(batch_difference=NAN),
        predicted(accuracy=float("-inf")),
    ],
)
def test_a_figure_that_is_no_number_keeps_no_gate_of_quality(small: Predicted) -> None:
    assert len(quality_sentences(small)) == 1


def test_a_quality_that_is_no_number_is_inside_no_interval() -> None:
    assert len(quality_sentences(predicted(accuracy=NAN), interval=(0.8, 1.0))) == 2
    assert len(quality_sentences(predicted(), interval=(NAN, NAN))) == 1


def test_a_latency_that_is_no_number_keeps_no_gate_of_cost() -> None:
    assert len(cost_sentences(size=1000, latency=NAN, max_slowdown=1.5)) == 2


def test_beside_an_fp32_quality_that_is_no_number_every_file_is_refused() -> None:
    full = Predicted(quality={"rmse": NAN})
    for small in (full, predicted()):
        assert len(failed_quality_gates(full, small, metric="rmse", limits=Compression())) == 1


def test_every_gate_that_is_missed_is_named() -> None:
    assert len(quality_sentences(predicted(accuracy=0.1, agreement=0.1, batch_difference=1.0))) == 3
    assert len(cost_sentences(size=2000, latency=99.0, max_slowdown=1.5)) == 2


def test_a_file_that_needs_fewer_columns_need_be_neither_smaller_nor_faster() -> None:
    full, pruned = (dataclasses.replace(FULL_COST, columns=columns) for columns in (4, 3))
    assert failed_cost_gates(full, pruned, limits=Compression()) == ()
    assert failed_cost_gates(full, full, limits=Compression()) != ()


def test_a_file_that_is_faster_need_not_be_smaller_and_ten_percent_make_no_difference() -> None:
    assert cost_sentences(size=1000, latency=18.0) == ()
    assert cost_sentences(size=1000, latency=18.3) != ()


@pytest.mark.parametrize(
    ("metric", "interval", "outside"), [("accuracy", (0.898, 0.95), 0.897), ("rmse", (90, 100.5), 100.9)]
)
def test_a_quality_outside_the_interval_of_fp32_fails_although_one_percent_is_allowed(
    metric: str, interval: tuple[float, float], outside: float
) -> None:
    inside = sum(interval) / 2
    assert quality_sentences(predicted(**{metric: inside}), metric=metric, interval=interval) == ()
    (sentence,) = quality_sentences(predicted(**{metric: outside}), metric=metric, interval=interval)
    assert "95 % interval" in sentence


def test_a_better_metric_is_not_a_drop() -> None:
    assert relative_drop(0.9, 0.91, "accuracy") < 0
    assert relative_drop(100.0, 99.0, "rmse") < 0


def test_a_slow_file_keeps_its_gates_unless_a_limit_is_named() -> None:
    assert cost_sentences(latency=200.0) == ()


def test_a_small_log_loss_may_grow_by_a_share_of_the_probability_of_the_truth() -> None:
    assert relative_drop(0.010, 0.015, "log_loss") == pytest.approx(0.005, rel=0.01)
    assert relative_drop(0.5, 0.6, "log_loss") == pytest.approx(0.095, rel=0.01)
    assert relative_drop(0.5, 0.4, "log_loss") < 0


def test_an_error_of_zero_may_not_grow() -> None:
    assert relative_drop(0.0, 0.0, "rmse") == 0
    assert relative_drop(0.0, 0.1, "rmse") > 1


@pytest.mark.parametrize("metric", ["log_loss", "rmse"])
def test_an_infinite_error_costs_nothing_beside_an_infinite_one(metric: str) -> None:
    infinite = float("inf")
    assert relative_drop(infinite, infinite, metric) == 0
    assert relative_drop(infinite, 1.0, metric) < 0
    assert relative_drop(1.0, infinite, metric) > 0.99


@given(st.floats(0.01, 1e6), st.floats(0, 0.5), st.sampled_from(["accuracy", "rmse"]))
def test_the_drop_is_the_share_that_is_lost_whatever_the_metrics_direction(
    full: float, share: float, metric: str
) -> None:
    worse = full * (1 - share) if metric == "accuracy" else full * (1 + share)
    assert relative_drop(full, worse, metric) == pytest.approx(share, abs=1e-9)


def test_rounding_that_flips_with_the_size_of_the_batch_is_no_dependence_on_it() -> None:
    assert quality_sentences(predicted(batch_difference=0.004)) == ()
