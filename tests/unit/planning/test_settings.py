"""Settings of algorithms in specs, and settings that do not fit the task, the data or the algorithm."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.spec.job_spec import parse_job_spec
from pipeline.planning.plan import plan


def _planned(text: str, task: str = "classification", kind: str = "numeric", rows: int = 3_000) -> Plan:
    classes = ("c0", "c1") if task == "classification" else ()
    dataset = Dataset.model_validate(
        {
            "task": task,
            "target": "" if task == "clustering" else "y",
            "columns": (
                ColumnProfile(name="x", kind="numeric", missing=0, distinct=9),
                ColumnProfile(name="z", kind=kind, missing=0, distinct=9),
            ),
            "classes": classes,
            "class_rows": (rows // 2,) * len(classes),
            "rows": SplitRows(train=rows, validation=300, test=300),
            "sha256": "",
        }
    )
    return plan(dataset, parse_job_spec(text.encode()))


def _settings(planned: Plan, algorithm: str) -> dict[str, object]:
    return next(dict(candidate.settings) for candidate in planned.candidates if candidate.algorithm == algorithm)


def test_settings_of_an_algorithm_in_the_spec_reach_only_that_algorithm() -> None:
    planned = _planned("settings: {random_forest: {n_estimators: 7}, mlp: {dropout: 0.3}}")
    assert _settings(planned, "random_forest")["n_estimators"] == 7
    assert _settings(planned, "extra_trees")["n_estimators"] != 7
    assert _settings(planned, "mlp")["dropout"] == 0.3


def test_numbers_of_the_spec_are_converted_to_the_type_of_the_setting() -> None:
    text = "settings: {linear: {C: 1e-3}, random_forest: {n_estimators: 100.0}, mlp: {learning_rate: 1e-2, loss: null}}"
    planned = _planned(text)
    assert _settings(planned, "linear")["C"] == 0.001
    assert repr(_settings(planned, "random_forest")["n_estimators"]) == "100"
    assert (_settings(planned, "mlp")["learning_rate"], _settings(planned, "mlp")["loss"]) == (0.01, None)
    sizes = _planned("settings: {mlp: {batch_size: [32, 64], batching: random}}")
    assert _settings(sizes, "mlp")["batch_size"] == (32, 64)


def test_null_means_an_unbounded_depth() -> None:
    settings, space = "{extra_trees: {max_depth: null}}", "{random_forest: {max_depth: [null, 8]}}"
    planned = _planned(f"{{settings: {settings}, search: {{method: grid, space: {space}}}}}")
    assert _settings(planned, "extra_trees")["max_depth"] is None
    (forest,) = (candidate for candidate in planned.candidates if candidate.algorithm == "random_forest")
    assert forest.trials is not None
    assert forest.trials.space["max_depth"] == (None, 8)


def test_settings_of_an_algorithm_that_is_not_tried_are_reported_as_unused() -> None:
    planned = _planned("{algorithms: [linear], settings: {mlp: {epochs: 3}}}")
    assert planned.notes == ("settings.mlp: it is not tried here",)


def test_a_fixed_setting_is_not_searched() -> None:
    planned = _planned("{settings: {random_forest: {max_depth: 3}}, search: {method: random}}")
    (forest,) = (candidate for candidate in planned.candidates if candidate.algorithm == "random_forest")
    assert forest.trials is not None
    assert "max_depth" not in forest.trials.space
    assert forest.settings["max_depth"] == 3


def test_an_optimizer_sets_the_default_learning_rate_unless_one_is_given() -> None:
    usual = _settings(_planned("algorithms: [mlp]"), "mlp")["learning_rate"]
    assert _settings(_planned("training: {optimizer: adadelta}"), "mlp")["learning_rate"] == 1.0
    assert _settings(_planned("settings: {mlp: {optimizer: adadelta}}"), "mlp")["learning_rate"] == 1.0
    assert _settings(_planned("training: {optimizer: adadelta, learning_rate: 0.2}"), "mlp")["learning_rate"] == 0.2
    assert _settings(_planned("training: {optimizer: adam}"), "mlp")["learning_rate"] == usual
    boosting = _settings(_planned("training: {optimizer: adadelta}"), "gradient_boosting")
    assert boosting["learning_rate"] == 0.02


def test_a_training_setting_that_a_requested_algorithm_does_not_read_is_reported() -> None:
    assert _planned("{algorithms: [linear, mlp], training: {epochs: 4}}").notes == (
        "training.epochs is not read by linear: put settings of one algorithm under settings",
    )
    assert _planned("training: {epochs: 4}").notes == ()


def test_a_private_plan_notes_the_epsilon_of_all_candidates() -> None:
    (note,) = _planned("training: {privacy: {epsilon: 3}}").notes
    assert "each of the 2 candidates spends up to 3" in note
    assert "6 in total" in note
    assert _planned("{algorithms: [mlp], training: {privacy: {epsilon: 3}}}").notes == ()


def test_a_delta_that_allows_single_rows_to_be_published_is_reported() -> None:
    (note,) = _planned("{algorithms: [mlp], training: {privacy: {epsilon: 3, delta: 0.001}}}").notes
    assert note.startswith("training.privacy.delta 0.001 is not below 1 / training rows (0.00033)")
    assert _planned("{algorithms: [mlp], training: {privacy: {epsilon: 3, delta: 0.0003}}}").notes == ()


@pytest.mark.parametrize(("rows", "delta"), [(3_000, 1e-5), (1_000_000, 1e-7)])
def test_the_default_delta_is_below_one_over_the_rows(rows: int, delta: float) -> None:
    planned = _planned("{algorithms: [mlp], training: {privacy: {epsilon: 3}}}", rows=rows)
    assert _settings(planned, "mlp")["privacy_delta"] == pytest.approx(delta)
    assert planned.notes == ()


def test_private_training_with_texts_is_refused() -> None:
    with pytest.raises(InvalidJobSpecError, match=r"texts cannot be read privately: drop: \[z\] is expected"):
        _planned("training: {privacy: {epsilon: 3}}", kind="text")


@pytest.mark.parametrize(
    ("text", "task", "sentence"),
    [
        ("settings: {mlp: {optimizer: adm}}", "classification", "settings.mlp.optimizer: unknown value 'adm': did"),
        ("settings: {mlp: {dropout: 2.0}}", "classification", "dropout: 2.0 is not allowed: a number of at least 0"),
        ("settings: {mlp: {privacy_epsilon: 3.0}}", "classification", "training.privacy sets it for every algorithm"),
        ("settings: {linear: {c: 3.0}}", "classification", "settings.linear: there is no setting 'c'"),
        ("settings: {random_forest: {max_depth: 3.5}}", "classification", "max_depth: the value is a number: a whole"),
        ("settings: {linear: {C: -1}}", "classification", "settings.linear.C: -1 is not allowed: a number above 0"),
        ("settings: {linear: {C: 0}}", "classification", "settings.linear.C: 0 is not allowed: a number above 0 and"),
        ("settings: {linear: {C: nan}}", "classification", "settings.linear.C: nan is not allowed"),
        ("settings: {gradient_boosting: {num_leaves: 1}}", "classification", "a whole number of at least 2 and at mo"),
        (
            "{algorithms: [kernel_ridge], settings: {kernel_ridge: {kernel: gausian}}}",
            "classification",
            "settings.kernel_ridge.kernel: unknown value 'gausian': did you mean 'gaussian'?",
        ),
        ("settings: {tabm: {hidden: []}}", "classification", "settings.tabm.hidden: [] is not allowed: a list"),
        ("training: {hidden: []}", "classification", "training.hidden of tabm: [] is not allowed: a list of"),
        (
            "search: {method: random, space: {linear: {C: {low: 0, high: 2}}}}",
            "classification",
            "search.space.linear.C: 0.0 is not allowed: a number above 0",
        ),
        (
            "search: {method: random, space: {random_forest: {n_estimators: [0, 9]}}}",
            "classification",
            "search.space.random_forest.n_estimators: 0 is not allowed: a whole number of at least 1",
        ),
        ("settings: {linear: {C: null}}", "classification", "settings.linear.C: the value is nothing: a number"),
        ("settings: {mlp: {loss: mse}}", "classification", "settings.mlp.loss 'mse' is not for classification"),
        ("settings: {mlp: {batching: random}}", "classification", "settings.mlp.batching random needs two sizes"),
        ("{task: clustering, settings: {k_means: {clusters: 1}}}", "clustering", "clusters sets it for every"),
        ("training: {class_weights: {yes: 2}}", "classification", "quote what YAML reads as true or false: 'yes'"),
        (
            "{settings: {mlp: {dropout: 0.1}}, search: {method: random, space: {mlp: {dropout: [0.2]}}}}",
            "classification",
            "search.space.mlp.dropout: settings already sets its value",
        ),
        ("search: {method: random, space: {mlp: {optimizer: [adm]}}}", "classification", "unknown value 'adm'"),
        ("training: {loss: mse}", "classification", "'mse' is not for classification: one of cross_entropy, focal is"),
        ("training: {loss: focal}", "regression", "'focal' is not for regression: one of mse, mae, huber, quantile"),
        ("training: {quantiles: [0.1]}", "classification", "quantiles are for a regression"),
        ("training: {privacy: {epsilon: 3}, schedule: plateau}", "classification", "follows exact losses of the"),
        ("training: {mixup: 0.2}", "classification", "mixup mixes images, and there are none"),
        ("training: {class_weights: {c0: 2, c11: 3}}", "classification", "no class 'c11': did you mean 'c1'"),
        ("training: {class_weights: balanced}", "regression", "class_weights are for a classification"),
        ("{task: clustering, search: {method: grid}}", "clustering", "search is for classification and regression"),
    ],
)  # fmt: skip
def test_an_invalid_setting_is_refused_with_the_reason(text: str, task: str, sentence: str) -> None:
    with pytest.raises(InvalidJobSpecError) as refused:
        _planned(text, task)
    assert sentence in str(refused.value)
