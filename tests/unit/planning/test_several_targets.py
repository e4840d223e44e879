"""Plans for several targets."""

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


def test_several_numbers_are_compared_by_r2_and_labels_by_log_loss_by_default() -> None:
    assert plan(dataset(), parse_job_spec(b"")).metric == "r2"
    assert plan(dataset(labels=True), parse_job_spec(b"")).metric == "log_loss"
    assert plan(dataset(), parse_job_spec(b"metric: mae")).metric == "mae"
    assert plan(dataset(labels=True), parse_job_spec(b"metric: f1_macro")).metric == "f1_macro"


def test_a_metric_that_does_not_fit_several_labels_is_refused() -> None:
    with pytest.raises(
        InvalidJobSpecError, match="metric 'mcc' does not measure several labels per row: one of log_loss"
    ):
        plan(dataset(labels=True), parse_job_spec(b"metric: mcc"))
    assert plan(dataset(labels=True), parse_job_spec(b"metric: micro_f1")).metric == "f1_micro"
    single_label = dataset(2, labels=True, targets=(), target="t")
    with pytest.raises(InvalidJobSpecError, match="'f1_micro' equals the accuracy where a row has one label"):
        plan(single_label, parse_job_spec(b"metric: f1_micro"))
    with pytest.raises(InvalidJobSpecError, match="metric 'auc' does not measure regression"):
        plan(dataset(), parse_job_spec(b"metric: auc"))


@pytest.mark.parametrize("name", ["linear", "gradient_boosting", "mlp"])
def test_the_estimates_grow_with_the_number_of_targets(name: str) -> None:
    declared, several = catalog()[name], dataset()
    single_target = several.of_target(0)
    assert seconds_of(declared, several, JobSpec()) == pytest.approx(
        3 * (seconds_of(declared, single_target, JobSpec()) or 0)
    )
    assert bytes_of(declared, several) == pytest.approx(3 * (bytes_of(declared, single_target) or 0))


def test_many_labels_do_not_count_as_many_classes() -> None:
    planned = plan(dataset(50, labels=True), parse_job_spec(b"algorithms: [random_forest, kernel_ridge]"))
    assert {candidate.name for candidate in planned.candidates} == {"random_forest", "kernel_ridge"}


def test_features_for_a_single_target_are_refused_or_skipped_with_the_reason() -> None:
    for text, words in (
        (b"training: {quantiles: [0.1, 0.9]}", "training.quantiles is for one target"),
        (b"training: {base_model: demo/other@live}", "training.base_model is for one target"),
    ):
        with pytest.raises(InvalidJobSpecError, match=words):
            plan(dataset(), parse_job_spec(text))
    planned = plan(dataset(code_sha256="0" * 64), parse_job_spec(b""))
    (skipped,) = [skipped for skipped in planned.skipped if skipped.algorithm == "model_py"]
    assert skipped.reason == "model.py learns one target, and there are 3"
