"""What is tried for which data, with which settings."""

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
    """Skipped for another reason than that there is nothing to read for them (texts, images)."""
    others = ("the data does not have", "tried only when named in algorithms")
    return [one for one in planned.skipped if not one.reason.endswith(others)]


def _settings(planned: Plan, algorithm: str):
    return next(one.settings for one in planned.candidates if one.algorithm == algorithm)


@pytest.mark.parametrize("rows", [120, 500, 5_000])
def test_small_data_is_trained_by_one_cpu_job(rows):
    (job,) = plan(_dataset(train=rows), JobSpec()).jobs
    assert (job.name, job.queue) == ("cpu", "cpu")
    assert {"linear", "mlp"} <= set(job.candidates)


def test_all_that_fit_are_tried_for_a_reason():
    planned = plan(_dataset(), JobSpec())
    assert [one.name for one in planned.candidates] == [
        "linear", "kernel_ridge", "random_forest", "extra_trees", "gradient_boosting", "mlp", "tabm"
    ]  # fmt: skip
    assert all(one.reason for one in planned.candidates)
    assert _misfits(planned) == []


def test_the_networks_of_much_data_ask_for_the_gpu_queue():
    spec = JobSpec(algorithms=("linear", "mlp"), limits=Limits(minutes=600))
    planned = plan(_dataset(train=20_000_000), spec)
    assert [(job.name, job.queue, job.candidates) for job in planned.jobs] == [
        ("cpu", "cpu", ("linear",)),
        ("gpu", "gpu", ("mlp",)),
    ]


@pytest.mark.parametrize(("algorithms", "jobs"), [(("mlp",), ["cpu"]), (("linear", "linear"), ["cpu"])])
def test_only_what_was_requested_is_tried_once_and_no_job_is_empty(algorithms, jobs):
    planned = plan(_dataset(), JobSpec(algorithms=algorithms))
    assert [one.name for one in planned.candidates] == [algorithms[0]]
    assert [job.name for job in planned.jobs] == jobs


@pytest.mark.parametrize(("classes", "metric"), [(2, "log_loss"), (0, "rmse")])
def test_the_metric_follows_the_task(classes, metric):
    assert plan(_dataset(classes=classes), JobSpec()).metric == metric
    assert plan(_dataset(), JobSpec(metric="auc", seed=5)).metric == "auc"


def test_of_imbalanced_classes_average_precision_of_the_rare_one_decides_and_the_plan_says_so():
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


def test_a_metric_of_other_classes_is_an_error_of_the_spec():
    with pytest.raises(InvalidJobSpecError, match="f1_macro"):
        plan(_dataset(classes=3), JobSpec(metric="f1"))
    with pytest.raises(InvalidJobSpecError, match="positive_class"):
        plan(_dataset(classes=3), JobSpec(positive_class="x"))


def test_a_metric_of_another_task_is_an_error_of_the_spec():
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
def test_what_does_not_fit_the_data_is_skipped_with_the_reason(dataset, skipped, words):
    planned = plan(dataset, JobSpec())
    assert [one.algorithm for one in _misfits(planned)] == skipped
    assert words in _misfits(planned)[0].reason
    assert not {one.algorithm for one in planned.candidates} & set(skipped)


def test_what_was_requested_by_name_is_tried_with_few_rows_too():
    assert [one.name for one in plan(_dataset(train=24), JobSpec(algorithms=("mlp",))).candidates] == ["mlp"]


def test_when_nothing_fits_the_reasons_are_reported():
    with pytest.raises(InvalidJobSpecError, match="gradient_boosting: 60 classes"):
        plan(_dataset(classes=60), JobSpec(algorithms=("gradient_boosting",)))


@pytest.mark.parametrize("train", [24, 600, 5_000, 50_000, 5_000_000])
@pytest.mark.parametrize("classes", [0, 2, 5])
def test_settings_are_complete_whatever_the_shape(train, classes):
    every = JobSpec(algorithms=("linear", "random_forest", "gradient_boosting", "mlp"))
    planned = plan(_dataset(train=train, classes=classes), every)
    keys = {one.algorithm: set(one.settings) for one in planned.candidates}
    assert keys == {name: set(catalog()[name].defaults) for name in every.algorithms or ()}


def test_every_knob_of_the_spec_reaches_the_network():
    training = Training(
        epochs=3, batch_size=7, learning_rate=0.5, hidden=(9,), dropout=0.3, weight_decay=0.2, early_stopping=2
    )
    settings = _settings(plan(_dataset(), JobSpec(training=training)), "mlp")
    assert training.hyperparameters.items() <= settings.items()


def test_more_rows_get_larger_batches_and_fewer_epochs():
    shapes = [_settings(plan(_dataset(train=rows), JobSpec()), "mlp") for rows in (500, 5_000, 50_000, 500_000)]
    assert [one["batch_size"] for one in shapes] == sorted(one["batch_size"] for one in shapes)
    assert [one["epochs"] for one in shapes] == sorted((one["epochs"] for one in shapes), reverse=True)


def test_a_plan_survives_its_way_through_the_bucket():
    planned = plan(_dataset(), JobSpec())
    assert Plan.from_bytes(planned.to_bytes()) == planned


def test_what_has_no_private_training_is_not_trained_when_privacy_is_requested():
    spec = JobSpec(training=Training(privacy=Privacy(epsilon=3)))
    planned = plan(_dataset(train=50_000), spec)
    assert [one.name for one in planned.candidates] == ["mlp"]
    reasons = {one.algorithm: one.reason for one in _misfits(planned)}
    assert reasons["gradient_boosting"] == "training.privacy is set, and it cannot be trained privately"
    assert _settings(planned, "mlp")["privacy_epsilon"] == 3
    assert all(not job.audition_rows for job in planned.jobs)
    with pytest.raises(InvalidJobSpecError, match="it cannot be trained privately"):
        plan(_dataset(), spec.model_copy(update={"algorithms": ("linear",)}))
    with pytest.raises(InvalidJobSpecError, match="each trial would spend the whole epsilon"):
        plan(_dataset(), spec.model_copy(update={"search": Search(method="random")}))


def test_quantiles_are_asked_of_those_that_answer_with_some():
    spec = JobSpec(training=Training(quantiles=(0.1, 0.9)))
    planned = plan(_dataset(classes=0), spec)
    assert "gradient_boosting" not in [one.name for one in planned.candidates]
    assert _settings(planned, "mlp")["quantiles"] == (0.1, 0.9)
    named = plan(_dataset(classes=0), spec.model_copy(update={"algorithms": ("linear", "mlp")}))
    assert [one.name for one in named.candidates] == ["linear", "mlp"]
