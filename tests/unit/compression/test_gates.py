"""What a compressed file may lose, and what it must win."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.compression.gates import Measured, failed_cost_gates, failed_gates
from pipeline.contracts.spec.job_spec import Compression
from pipeline.evaluation.ranking import relative_drop

FULL = Measured(bytes=1000, quality={"accuracy": 0.9, "rmse": 100.0}, latency_us=20.0)


def small(*, size: int = 300, latency: float = 20.0, **quality: float) -> Measured:
    return Measured(bytes=size, quality={"accuracy": 0.9, "rmse": 100.0} | quality, latency_us=latency)


def failed(measured: Measured, *, agreement: float = 1.0, metric: str = "accuracy") -> tuple[str, ...]:
    return failed_gates(FULL, measured, agreement=agreement, metric=metric, limits=Compression(max_slowdown=1.5))


def test_a_file_that_is_smaller_and_as_good_keeps_its_gates() -> None:
    assert failed(small(accuracy=0.895, latency=29.0), agreement=0.98) == ()


@pytest.mark.parametrize(
    ("measured", "agreement", "metric", "said"),
    [
        (
            small(size=1000),
            1.0,
            "accuracy",
            "it is neither smaller nor faster: 1000 bytes and 20 us for one row, fp32 has 1000 and 20",
        ),
        (small(accuracy=0.88), 1.0, "accuracy", "accuracy 0.88 is 2.22% worse than fp32's 0.9, at most 1.00%"),
        (small(rmse=102.0), 1.0, "rmse", "rmse 102 is 2.00% worse than fp32's 100, at most 1.00% is allowed"),
        (small(rmse=float("nan")), 1.0, "rmse", "rmse is not finite: some row has no finite prediction"),
        (small(), 0.96, "accuracy", "its agreement with fp32 is 0.9600, at least 0.9800 is expected"),
        (small(latency=40.0), 1.0, "accuracy", "one row takes 40 us, 2.00 times fp32's 20 us, at most 1.5 times"),
    ],
)
def test_each_gate_says_what_it_saw_and_what_it_expected(
    measured: Measured, agreement: float, metric: str, said: str
) -> None:
    (sentence,) = failed(measured, agreement=agreement, metric=metric)
    assert sentence.startswith(said)


def test_every_gate_that_is_missed_is_named() -> None:
    assert len(failed(small(size=2000, accuracy=0.1, latency=99.0), agreement=0.1)) == 4


def test_a_file_that_needs_fewer_columns_need_be_neither_smaller_nor_faster() -> None:
    full, pruned = (dataclasses.replace(small(size=1000), columns=columns) for columns in (4, 3))
    assert failed_cost_gates(full, pruned, limits=Compression()) == ()
    assert failed_cost_gates(full, full, limits=Compression()) != ()


def test_a_file_that_is_faster_need_not_be_smaller_and_ten_percent_make_no_difference() -> None:
    assert failed(small(size=1000, latency=18.0)) == ()
    assert failed(small(size=1000, latency=18.3)) != ()


@pytest.mark.parametrize(
    ("metric", "interval", "outside"), [("accuracy", (0.898, 0.95), 0.897), ("rmse", (90, 100.5), 100.9)]
)
def test_a_quality_outside_the_interval_of_fp32_fails_although_one_percent_is_allowed(
    metric: str, interval: tuple[float, float], outside: float
) -> None:
    full = dataclasses.replace(FULL, interval={metric: interval})
    inside = sum(interval) / 2
    limits = Compression()
    assert failed_gates(full, small(**{metric: inside}), agreement=1.0, metric=metric, limits=limits) == ()
    (sentence,) = failed_gates(full, small(**{metric: outside}), agreement=1.0, metric=metric, limits=limits)
    assert "95 % interval" in sentence


def test_a_better_metric_is_not_a_drop() -> None:
    assert relative_drop(0.9, 0.91, "accuracy") < 0
    assert relative_drop(100.0, 99.0, "rmse") < 0


def test_a_slow_file_keeps_its_gates_unless_a_limit_is_named() -> None:
    slow = small(latency=200.0)
    assert failed_gates(FULL, slow, agreement=1.0, metric="accuracy", limits=Compression()) == ()


def test_a_small_log_loss_may_grow_by_a_share_of_the_probability_of_the_truth() -> None:
    assert relative_drop(0.010, 0.015, "log_loss") == pytest.approx(0.005, rel=0.01)
    assert relative_drop(0.5, 0.6, "log_loss") == pytest.approx(0.095, rel=0.01)
    assert relative_drop(0.5, 0.4, "log_loss") < 0


def test_an_error_of_zero_may_not_grow() -> None:
    assert relative_drop(0.0, 0.0, "rmse") == 0
    assert relative_drop(0.0, 0.1, "rmse") > 1


@given(st.floats(0.01, 1e6), st.floats(0, 0.5), st.sampled_from(["accuracy", "rmse"]))
def test_the_drop_is_the_share_that_is_lost_whatever_the_metrics_direction(
    full: float, share: float, metric: str
) -> None:
    worse = full * (1 - share) if metric == "accuracy" else full * (1 + share)
    assert relative_drop(full, worse, metric) == pytest.approx(share, abs=1e-9)


def test_a_prediction_that_depends_on_the_batch_fails() -> None:
    assert failed(dataclasses.replace(small(), batch_difference=0.004)) == ()
    (sentence,) = failed(dataclasses.replace(small(), batch_difference=0.01))
    assert "other rows of the batch" in sentence
