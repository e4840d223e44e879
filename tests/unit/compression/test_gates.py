"""Gates of quality and cost that a compressed file must pass."""

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


def test_a_smaller_file_of_equal_quality_passes_the_gates() -> None:
    assert quality_sentences(predicted(accuracy=0.895, agreement=0.98)) == ()
    assert cost_sentences(latency=29.0, max_slowdown=1.5) == ()


@pytest.mark.parametrize(
    ("small", "metric", "start"),
    [
        (predicted(accuracy=0.88), "accuracy", "accuracy 0.88 is 2.22% worse than fp32's 0.9, at most 1.00%"),
        (predicted(rmse=102.0), "rmse", "rmse 102 is 2.00% worse than fp32's 100, at most 1.00% is allowed"),
        (predicted(rmse=float("nan")), "rmse", "rmse is not finite: some row has no finite prediction"),
        (predicted(agreement=0.96), "accuracy", "its agreement with fp32 is 0.9600, at least 0.9800 is expected"),
        (predicted(batch_difference=0.01), "accuracy", "its prediction for a row depends on the other rows of the"),
    ],
)
def test_each_quality_gate_reports_the_measured_and_the_expected_value(
    small: Predicted, metric: str, start: str
) -> None:
    (sentence,) = quality_sentences(small, metric=metric)
    assert sentence.startswith(start)


def test_each_cost_gate_reports_the_measured_and_the_expected_value() -> None:
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
def test_a_quality_figure_that_is_not_finite_fails_the_quality_gates(small: Predicted) -> None:
    assert len(quality_sentences(small)) == 1


def test_nan_is_outside_every_interval() -> None:
    assert len(quality_sentences(predicted(accuracy=NAN), interval=(0.8, 1.0))) == 2
    assert len(quality_sentences(predicted(), interval=(NAN, NAN))) == 1


def test_a_nan_latency_fails_the_cost_gates() -> None:
    assert len(cost_sentences(size=1000, latency=NAN, max_slowdown=1.5)) == 2


def test_every_file_is_refused_if_the_fp32_quality_is_nan() -> None:
    full = Predicted(quality={"rmse": NAN})
    for small in (full, predicted()):
        assert len(failed_quality_gates(full, small, metric="rmse", limits=Compression())) == 1


def test_every_failed_gate_is_reported() -> None:
    assert len(quality_sentences(predicted(accuracy=0.1, agreement=0.1, batch_difference=1.0))) == 3
    assert len(cost_sentences(size=2000, latency=99.0, max_slowdown=1.5)) == 2


def test_a_file_with_fewer_columns_may_be_neither_smaller_nor_faster() -> None:
    full, pruned = (dataclasses.replace(FULL_COST, columns=columns) for columns in (4, 3))
    assert failed_cost_gates(full, pruned, limits=Compression()) == ()
    assert failed_cost_gates(full, full, limits=Compression()) != ()


def test_a_file_that_is_not_smaller_must_be_ten_percent_faster() -> None:
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


def test_a_slow_file_passes_the_gates_unless_a_limit_is_set() -> None:
    assert cost_sentences(latency=200.0) == ()


def test_the_drop_of_a_log_loss_is_the_relative_drop_of_the_true_class_probability() -> None:
    assert relative_drop(0.010, 0.015, "log_loss") == pytest.approx(0.005, rel=0.01)
    assert relative_drop(0.5, 0.6, "log_loss") == pytest.approx(0.095, rel=0.01)
    assert relative_drop(0.5, 0.4, "log_loss") < 0


def test_any_growth_of_an_error_of_zero_is_a_complete_drop() -> None:
    assert relative_drop(0.0, 0.0, "rmse") == 0
    assert relative_drop(0.0, 0.1, "rmse") > 1


@pytest.mark.parametrize("metric", ["log_loss", "rmse"])
def test_an_infinite_error_is_not_a_drop_from_an_infinite_error(metric: str) -> None:
    infinite = float("inf")
    assert relative_drop(infinite, infinite, metric) == 0
    assert relative_drop(infinite, 1.0, metric) < 0
    assert relative_drop(1.0, infinite, metric) > 0.99


@given(st.floats(0.01, 1e6), st.floats(0, 0.5), st.sampled_from(["accuracy", "rmse"]))
def test_the_drop_is_the_lost_fraction_for_metrics_of_both_directions(full: float, share: float, metric: str) -> None:
    worse = full * (1 - share) if metric == "accuracy" else full * (1 + share)
    assert relative_drop(full, worse, metric) == pytest.approx(share, abs=1e-9)


def test_small_batch_differences_from_rounding_pass_the_gate() -> None:
    assert quality_sentences(predicted(batch_difference=0.004)) == ()
