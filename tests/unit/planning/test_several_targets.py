"""What is planned for several targets."""

from __future__ import annotations

import pytest

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.spec.job_spec import JobSpec, parse_job_spec
from pipeline.planning.estimates import bytes_of, seconds_of
from pipeline.planning.plan import plan


def dataset(count: int = 3, *, labels: bool = False, **fields: object) -> Dataset:
    names = tuple(f"t{number}" for number in range(count))
    return Dataset(
        task="classification" if labels else "regression",
        target=", ".join(names),
        targets=names,
        classes=names if labels else (),
        class_rows=(100,) * count if labels else (),
        columns=tuple(ColumnProfile(name=f"x{n}", kind="numeric", missing=0, distinct=9) for n in range(5)),
        rows=SplitRows(train=1_000, validation=100, test=100),
        sha256="",
    ).model_copy(update=fields)


def test_numbers_are_compared_by_r2_and_labels_by_log_loss_where_no_metric_is_named() -> None:
    assert plan(dataset(), parse_job_spec(b"")).metric == "r2"
    assert plan(dataset(labels=True), parse_job_spec(b"")).metric == "log_loss"
    assert plan(dataset(), parse_job_spec(b"metric: mae")).metric == "mae"
    assert plan(dataset(labels=True), parse_job_spec(b"metric: f1_macro")).metric == "f1_macro"


def test_a_metric_of_one_label_a_row_is_refused() -> None:
    with pytest.raises(
        InvalidJobSpecError, match="metric 'mcc' does not measure several labels per row: one of log_loss"
    ):
        plan(dataset(labels=True), parse_job_spec(b"metric: mcc"))
    assert plan(dataset(labels=True), parse_job_spec(b"metric: micro_f1")).metric == "f1_micro"
    one = dataset(2, labels=True, targets=(), target="t")
    with pytest.raises(InvalidJobSpecError, match="'f1_micro' equals the accuracy where a row has one label"):
        plan(one, parse_job_spec(b"metric: f1_micro"))
    with pytest.raises(InvalidJobSpecError, match="metric 'auc' does not measure regression"):
        plan(dataset(), parse_job_spec(b"metric: auc"))


@pytest.mark.parametrize("name", ["linear", "gradient_boosting", "mlp"])
def test_each_target_costs_a_training_and_its_share_of_the_file(name: str) -> None:
    declared, several = catalog()[name], dataset()
    alone = several.of_target(0)
    assert seconds_of(declared, several, JobSpec()) == pytest.approx(3 * (seconds_of(declared, alone, JobSpec()) or 0))
    assert bytes_of(declared, several) == pytest.approx(3 * (bytes_of(declared, alone) or 0))


def test_many_labels_are_not_many_classes() -> None:
    planned = plan(dataset(50, labels=True), parse_job_spec(b"algorithms: [random_forest, kernel_ridge]"))
    assert {one.name for one in planned.candidates} == {"random_forest", "kernel_ridge"}


def test_what_one_target_alone_can_have_is_refused_or_skipped_with_the_reason() -> None:
    for text, words in (
        (b"training: {quantiles: [0.1, 0.9]}", "training.quantiles is for one target"),
        (b"training: {base_model: demo/other@live}", "training.base_model is for one target"),
    ):
        with pytest.raises(InvalidJobSpecError, match=words):
            plan(dataset(), parse_job_spec(text))
    planned = plan(dataset(code_sha256="0" * 64), parse_job_spec(b""))
    (skipped,) = [one for one in planned.skipped if one.algorithm == "model_py"]
    assert skipped.reason == "model.py learns one target, and there are 3"
