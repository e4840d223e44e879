"""The candidates, the settings and the jobs of plans."""

from __future__ import annotations

import pytest

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.spec.job_spec import JobSpec, Limits, Privacy, Search, Training
from pipeline.planning.plan import plan


def _dataset(train: int = 2_500, classes: int = 2, words: int = 10) -> Dataset:
    names = tuple(f"c{number}" for number in range(classes))
    return Dataset(
        task="classification" if classes else "regression",
        target="y",
        columns=(
            ColumnProfile(name="x", kind="numeric", missing=0, distinct=9),
            ColumnProfile(
                name="w", kind="categorical", missing=0, distinct=words, vocabulary=tuple(map(str, range(words)))
            ),
        ),
        classes=names,
        class_rows=tuple(train // classes for _ in names),
        rows=SplitRows(train=train, validation=10, test=10),
        sha256="",
    )


def _misfits(planned: Plan):
    """Return the skipped algorithms, except those for texts or images that the data lacks."""
    others = ("the data does not have", "tried only when named in algorithms")
    return [candidate for candidate in planned.skipped if not candidate.reason.endswith(others)]


def _settings(planned: Plan, algorithm: str):
    return next(candidate.settings for candidate in planned.candidates if candidate.algorithm == algorithm)


@pytest.mark.parametrize("rows", [120, 500, 5_000])
def test_small_data_is_trained_by_one_cpu_job(rows):
    (job,) = plan(_dataset(train=rows), JobSpec()).jobs
    assert (job.name, job.queue) == ("cpu", "cpu")
    assert {"linear", "mlp"} <= set(job.candidates)


def test_every_fitting_algorithm_is_planned_with_a_reason():
    planned = plan(_dataset(), JobSpec())
    assert [candidate.name for candidate in planned.candidates] == [
        "linear", "kernel_ridge", "random_forest", "extra_trees", "gradient_boosting", "mlp", "tabm"
    ]  # fmt: skip
    assert all(candidate.reason for candidate in planned.candidates)
    assert _misfits(planned) == []


def test_networks_of_large_data_get_the_gpu_queue():
    spec = JobSpec(algorithms=("linear", "mlp"), limits=Limits(minutes=600))
    planned = plan(_dataset(train=20_000_000), spec)
    assert [(job.name, job.queue, job.candidates) for job in planned.jobs] == [
        ("cpu", "cpu", ("linear",)),
        ("gpu", "gpu", ("mlp",)),
    ]


@pytest.mark.parametrize(("algorithms", "jobs"), [(("mlp",), ["cpu"]), (("linear", "linear"), ["cpu"])])
def test_only_requested_algorithms_are_planned_once_and_no_job_is_empty(algorithms, jobs):
    planned = plan(_dataset(), JobSpec(algorithms=algorithms))
    assert [candidate.name for candidate in planned.candidates] == [algorithms[0]]
    assert [job.name for job in planned.jobs] == jobs


@pytest.mark.parametrize(("classes", "metric"), [(2, "log_loss"), (0, "rmse")])
def test_the_metric_follows_the_task(classes, metric):
    assert plan(_dataset(classes=classes), JobSpec()).metric == metric
    assert plan(_dataset(), JobSpec(metric="auc", seed=5)).metric == "auc"


def test_imbalanced_classes_are_compared_by_average_precision_and_the_plan_notes_it():
    rare = _dataset().model_copy(update={"classes": ("fraud", "ok"), "class_rows": (15, 985)})
    planned = plan(rare, JobSpec())
    assert planned.metric == "average_precision"
    assert planned.notes[0] == (
        "imbalance: class 'fraud' has 1.5% of the training rows; candidates are compared by average_precision of "
        "'fraud', the positive class, and the threshold of the label is tuned for f1"
    )
    assert plan(rare, JobSpec(metric="auc")).metric == "auc"
    many = _dataset().model_copy(update={"classes": ("a", "b", "c"), "class_rows": (500, 490, 10)})
    planned = plan(many, JobSpec())
    assert planned.metric == "log_loss"
    assert planned.notes[0] == "imbalance: class 'c' has 1.0% of the training rows; candidates are compared by log_loss"


def test_a_metric_for_two_classes_is_a_spec_error_for_three_classes():
    with pytest.raises(InvalidJobSpecError, match="f1_macro"):
        plan(_dataset(classes=3), JobSpec(metric="f1"))
    with pytest.raises(InvalidJobSpecError, match="positive_class"):
        plan(_dataset(classes=3), JobSpec(positive_class="x"))


def test_a_metric_of_another_task_is_a_spec_error():
    with pytest.raises(InvalidJobSpecError, match="rmse"):
        plan(_dataset(), JobSpec(metric="rmse"))


@pytest.mark.parametrize(
    ("dataset", "skipped", "words"),
    [
        (_dataset(train=60), ["mlp", "tabm"], "60 training rows; its minimum is 100"),
        (_dataset(train=24), ["gradient_boosting", "mlp", "tabm"], "24 training rows; its minimum is 50"),
        (_dataset(classes=60), ["kernel_ridge", "gradient_boosting"], "60 classes; its maximum is 50"),
        (
            _dataset(classes=900, words=900),
            ["kernel_ridge", "random_forest", "extra_trees", "gradient_boosting", "tabm"],
            "900 classes; its maximum is 50",
        ),
        (
            _dataset(classes=1000, words=5000),
            ["linear", "kernel_ridge", "random_forest", "extra_trees", "gradient_boosting", "tabm"],
            "5,003,000 weights over one-hot categories and classes",
        ),
    ],
)
def test_algorithms_that_do_not_fit_the_data_are_skipped_with_the_reason(dataset, skipped, words):
    planned = plan(dataset, JobSpec())
    assert [candidate.algorithm for candidate in _misfits(planned)] == skipped
    assert words in _misfits(planned)[0].reason
    assert not {candidate.algorithm for candidate in planned.candidates} & set(skipped)


def test_a_requested_algorithm_is_planned_for_few_rows_too():
    assert [candidate.name for candidate in plan(_dataset(train=24), JobSpec(algorithms=("mlp",))).candidates] == [
        "mlp"
    ]


def test_a_plan_without_a_fitting_algorithm_is_refused_with_the_reasons():
    with pytest.raises(InvalidJobSpecError, match="gradient_boosting: 60 classes"):
        plan(_dataset(classes=60), JobSpec(algorithms=("gradient_boosting",)))


@pytest.mark.parametrize("train", [24, 600, 5_000, 50_000, 5_000_000])
@pytest.mark.parametrize("classes", [0, 2, 5])
def test_settings_are_complete_for_any_data(train, classes):
    every = JobSpec(algorithms=("linear", "random_forest", "gradient_boosting", "mlp"))
    planned = plan(_dataset(train=train, classes=classes), every)
    keys = {candidate.algorithm: set(candidate.settings) for candidate in planned.candidates}
    assert keys == {name: set(catalog()[name].defaults) for name in every.algorithms or ()}


def test_every_training_setting_of_the_spec_reaches_the_network():
    training = Training(
        epochs=3, batch_size=7, learning_rate=0.5, hidden=(9,), dropout=0.3, weight_decay=0.2, early_stopping=2
    )
    settings = _settings(plan(_dataset(), JobSpec(training=training)), "mlp")
    assert training.hyperparameters.items() <= settings.items()


def test_more_rows_get_larger_batches_and_fewer_epochs():
    shapes = [_settings(plan(_dataset(train=rows), JobSpec()), "mlp") for rows in (500, 5_000, 50_000, 500_000)]
    assert [candidate["batch_size"] for candidate in shapes] == sorted(candidate["batch_size"] for candidate in shapes)
    assert [candidate["epochs"] for candidate in shapes] == sorted(
        (candidate["epochs"] for candidate in shapes), reverse=True
    )


def test_a_plan_survives_serialization():
    planned = plan(_dataset(), JobSpec())
    assert Plan.from_bytes(planned.to_bytes()) == planned


def test_only_algorithms_with_private_training_are_planned_if_privacy_is_requested():
    spec = JobSpec(training=Training(privacy=Privacy(epsilon=3)))
    planned = plan(_dataset(train=50_000), spec)
    assert [candidate.name for candidate in planned.candidates] == ["mlp"]
    reasons = {candidate.algorithm: candidate.reason for candidate in _misfits(planned)}
    assert reasons["gradient_boosting"] == "training.privacy is set, and it cannot be trained privately"
    assert _settings(planned, "mlp")["privacy_epsilon"] == 3
    assert all(not job.audition_rows for job in planned.jobs)
    with pytest.raises(InvalidJobSpecError, match="it cannot be trained privately"):
        plan(_dataset(), spec.model_copy(update={"algorithms": ("linear",)}))
    with pytest.raises(InvalidJobSpecError, match="each trial would spend the whole epsilon"):
        plan(_dataset(), spec.model_copy(update={"search": Search(method="random")}))


def test_algorithms_without_quantiles_are_skipped_if_quantiles_are_requested():
    spec = JobSpec(training=Training(quantiles=(0.1, 0.9)))
    planned = plan(_dataset(classes=0), spec)
    assert "gradient_boosting" not in [candidate.name for candidate in planned.candidates]
    assert _settings(planned, "mlp")["quantiles"] == (0.1, 0.9)
    named = plan(_dataset(classes=0), spec.model_copy(update={"algorithms": ("linear", "mlp")}))
    assert [candidate.name for candidate in named.candidates] == ["linear", "mlp"]
