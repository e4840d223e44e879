"""The JobSpec as users write it in train.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.spec import job_spec
from pipeline.contracts.spec.job_spec import JobSpec, parse_job_spec
from pipeline.contracts.spec.metrics import METRIC_ALIASES, Metric, check_metric, greater_is_better, quality_metric

SCHEMA = Path(job_spec.__file__).with_name("job_spec.schema.json")


def test_the_published_schema_equals_that_of_the_model() -> None:
    published = json.loads(SCHEMA.read_text())
    assert published == {"$schema": "https://json-schema.org/draft/2020-12/schema", **JobSpec.model_json_schema()}


def test_an_empty_file_gives_the_defaults() -> None:
    assert parse_job_spec(b"") == JobSpec()


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"algoritms: [mlp]", "unknown field 'algoritms': did you mean 'algorithms'?"),
        (b"training: {epoch: 3}", "unknown field 'training.epoch': did you mean 'epochs'?"),
        (b"zzzz: 1", "unknown field 'zzzz': one of task, target,"),
        (b"optimizer: adam", "unknown field 'optimizer': did you mean 'training.optimizer'?"),
        (b"random_forest: {}", "unknown field 'random_forest': did you mean 'settings.random_forest'?"),
        (b"algorithms: mlp", "train.yaml: algorithms: input should be a list"),
        (b"training: {batch_size: x}", "train.yaml: training.batch_size: input should be a valid integer"),
        (b"training: {class_weights: {0: -1}}", "training.class_weights.0: input should be greater than 0"),
        (b"training: {freeze: true}", "freeze is for a base model: base_model is expected with it"),
        (b"training: {parallel: {strategy: fsdp}}", "strategy fsdp is for several machines: nodes is expected"),
        (b"training: {batching: growing, batch_size: 9}", "batching growing needs two sizes"),
        (b"training: {batch_size: [9, 99]}", "two numbers: batching random or growing is expected"),
        (b"compression: {max_slowdown: .inf}", "compression.max_slowdown: input should be a finite number"),
        (b"compression: {passes: [prune]}", "compression.passes.0: unknown value 'prune': did you mean 'prune_"),
        (b"compression: {passes: [fp16, static_int8]}", "fp16 and static_int8 set the precision"),
        (b"compression: {passes: [fp16, prune_channels]}", "fp16 sets the precision and is expected to be the last"),
        (b"settings: {linear: {C: .inf}}", "settings.linear.C"),
        (b"settings: {mlp: {x: 2024-01-01}}", "settings.mlp.x: a number, a word, true or false, or a list of them"),
        (b"search: {space: {mlp: {dropout: {low: 0, high: 1, logg: 1}}}}", "dropout.logg': did you mean 'log'?"),
        (b"search: {cv: 5}", "cv is given, and method is none: grid, random, halving or bayesian is expected"),
        (b"a: [", "train.yaml is not YAML (line 1, column 5)"),
        (b"- a", "train.yaml is not a mapping"),
        (b"\xff\xfe", "train.yaml is not YAML"),
        (b"seed: -1", "train.yaml: seed: input should be greater than or equal to 0"),
        (b"task: survival", "survival analysis (times of which some are censored) is not supported"),
        (b"task: Time-Series", "forecasting is not supported: regression or classification with `split: {by: time"),
        (b"task: rank", "ranking is not supported: regression of the grade is"),
        (b"task: anomaly detection", "anomaly detection is not supported"),
        (b"task: multi-label", "did you mean 'classification'?"),
        (b"task: zzz", "classification, regression or clustering is expected"),
        (b"algorithms: [xgb]", "unknown algorithm 'xgb': "),
        (b"!!python/object/apply:os.system ['true']", "train.yaml is not YAML"),
    ],
)
def test_an_invalid_spec_is_refused_with_field_and_reason(document: bytes, sentence: str) -> None:
    with pytest.raises(InvalidJobSpecError) as caught:
        parse_job_spec(document)
    assert sentence in caught.value.message


def test_classes_with_numeric_names_may_have_weights() -> None:
    assert parse_job_spec(b"training: {class_weights: {0: 1, 1: 5}}").training.class_weights == {"0": 1, "1": 5}


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        ("[-999]", ("-999",)),
        ("[-99.90, 007, 1e5, unknown, 2024-01-01]", ("-99.90", "007", "1e5", "unknown", "2024-01-01")),
        ("[NULL, ~, No, true, '']", ("NULL", "~", "No", "true", "")),
        ("[]", ()),
    ],
)
def test_missing_value_markers_are_kept_as_written(written: str, texts: tuple[str, ...]) -> None:
    assert parse_job_spec(f"missing: {written}".encode()).missing == texts
    assert parse_job_spec(f"missing: {written}".encode()) == JobSpec.from_bytes(JobSpec(missing=texts).to_bytes())


def test_missing_value_markers_in_json_become_texts() -> None:
    assert JobSpec.model_validate({"missing": [-999, -1.5, None, False]}).missing == ("-999", "-1.5", "null", "false")


@pytest.mark.parametrize("word", ["none", "no", "No", "false", "off"])
def test_other_words_for_no_header_mean_none(word: str) -> None:
    assert parse_job_spec(f"header: {word}".encode()).header == "none"


@pytest.mark.parametrize("word", ["yes", "0", "nein", "null"])
def test_other_words_for_a_header_are_refused(word: str) -> None:
    with pytest.raises(InvalidJobSpecError, match=r"train\.yaml: header: "):
        parse_job_spec(f"header: {word}".encode())


def test_column_names_that_yaml_would_convert_need_no_quotes() -> None:
    spec = parse_job_spec(
        b"target: 2019\ndrop: [on, 007]\nweight: 1.50\nsegments: [no]\nsheet: 2024\nsplit: {by: time, column: 2018}"
    )
    assert (spec.target, spec.drop, spec.weight, spec.segments) == ("2019", ("on", "007"), "1.50", ("no",))
    assert (spec.sheet, spec.split.column) == ("2024", "2018")


def test_a_null_target_means_none_and_other_fields_keep_their_types() -> None:
    assert parse_job_spec(b"target: null\nseed: 7\nrefit: no\nmissing: null") == JobSpec(seed=7, refit=False)


@pytest.mark.parametrize("document", ["missing: [[1]]", "drop: [{a: 1}]", "target: {a: 1}", "missing: &a [*a]"])
def test_lists_and_mappings_are_refused_as_texts(document: str) -> None:
    with pytest.raises(InvalidJobSpecError, match="valid string"):
        parse_job_spec(document.encode())


def test_a_metric_must_fit_the_task() -> None:
    assert check_metric("rmse", "regression") == "rmse"
    with pytest.raises(InvalidJobSpecError, match=r"log_loss, accuracy, balanced_accuracy, .* is expected"):
        check_metric("rmse", "classification")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("balanced_accuracy", "balanced_accuracy"),
        ("Balanced Accuracy", "balanced_accuracy"),
        ("roc_auc", "auc"),
        ("f1-score", "f1"),
        ("f1_macro", "f1_macro"),
        ("F1", "f1"),
        ("neg_log_loss", "log_loss"),
        ("matthews_corrcoef", "mcc"),
        ("neg_root_mean_squared_error", "rmse"),
        ("MAPE", "mape"),
        ("qwk", "quadratic_kappa"),
        ("pr_auc", "average_precision"),
    ],
)
def test_a_metric_may_have_the_name_of_another_tool(typed: str, meant: str) -> None:
    assert parse_job_spec(f"metric: {typed}".encode()).metric == meant


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("mse", "metric: rmse"),
        ("neg_mean_squared_error", "metric: rmse"),
        ("map", "average_precision.*mape"),
        ("precision", "f1"),
        ("cohen_kappa", "quadratic_kappa"),
        ("ndcg", "ranking is not supported"),
        ("balanced_acuracy", "'balanced_accuracy'"),
        ("acuracy", "'accuracy'"),
    ],
)
def test_an_unknown_metric_is_refused_with_a_suggestion(typed: str, hint: str) -> None:
    with pytest.raises(InvalidJobSpecError, match=f"metric.*'{typed}'.*{hint}"):
        parse_job_spec(f"metric: {typed}".encode())


def test_every_metric_alias_maps_to_a_metric_and_is_not_a_metric_name() -> None:
    assert {*METRIC_ALIASES.values()} <= {*get_args(Metric)}
    assert not {*METRIC_ALIASES} & {*get_args(Metric)}


def test_metrics_of_two_or_ordered_classes_are_refused_for_other_classes() -> None:
    assert check_metric("f1", "classification", ("a", "b")) == "f1"
    assert check_metric("quadratic_kappa", "classification", ("1", "2", "10")) == "quadratic_kappa"
    with pytest.raises(InvalidJobSpecError, match="f1_macro"):
        check_metric("f1", "classification", ("a", "b", "c"))
    with pytest.raises(InvalidJobSpecError, match="numbers"):
        check_metric("quadratic_kappa", "classification", ("low", "high"))


def test_quality_without_a_metric_is_accuracy_or_rmse() -> None:
    assert [quality_metric(None, metric) for metric in ("average_precision", "mae")] == ["accuracy", "rmse"]
    assert quality_metric("auc", "auc") == "auc"


def test_lower_is_better_for_errors_and_losses() -> None:
    lower = {metric for metric in get_args(Metric) if not greater_is_better(metric)}
    assert lower == {"log_loss", "rmse", "mae", "median_absolute_error", "mape", "rmsle", "pinball"}


@pytest.mark.parametrize(
    ("document", "target", "targets"),
    [
        (b"target: [a, b]", None, ("a", "b")),
        (b"targets: [yes, 2019]", None, ("yes", "2019")),
        (b"target: [a]", "a", ()),
        (b"target: a", "a", ()),
    ],
)
def test_a_list_of_columns_gives_several_targets(document: bytes, target: str | None, targets: tuple[str, ...]) -> None:
    spec = parse_job_spec(document)
    assert (spec.target, spec.targets) == (target, targets)
    assert JobSpec.from_bytes(spec.to_bytes()) == spec


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"target: []", "the list is empty"),
        (b"target: [a, a]", "a column is repeated"),
        (b"{target: a, targets: [b, c]}", "target and targets are both given"),
        (b"targets: " + str([f"t{n}" for n in range(51)]).encode(), "51 are given: at most 50 are expected"),
    ],
)
def test_an_invalid_list_of_targets_is_refused_in_one_sentence(document: bytes, sentence: str) -> None:
    with pytest.raises(InvalidJobSpecError, match=sentence):
        parse_job_spec(document)


def test_a_single_pass_need_not_be_a_list() -> None:
    assert JobSpec.model_validate({"compression": {"passes": "static_int8"}}).compression.passes == ("static_int8",)
    assert JobSpec().compression.passes == "auto"
