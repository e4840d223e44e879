"""The graph of a bag predicts the mean of its models, with one node for all trees and one copy of shared parts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.compression.passes.quantization.dynamic_int8 import DYNAMIC_CONFIGS as INT8_CONFIGS
from pipeline.compression.passes.quantization.dynamic_int8 import DynamicInt8
from pipeline.evaluation.scoring import OnnxModel
from pipeline.graphs.encoding import CAT, NUM
from pipeline.training.algorithm import FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.export.forest_trees import forest_trees
from pipeline.training.features.merged_preprocessing import merge_preprocessing
from pipeline.training.features.preprocessing import boosting_features, forest_features
from pipeline.training.resampling.bagging import average_fitted_models
from pipeline.training.resampling.folds import make_folds
from tests.fakes.training import QUICK

FOLDS = 3
CARDINALITIES = (6, 30)


def _task(classes: int, rows: int = 240) -> TrainingTask:
    """Only the last row has a gap in the last column, so that folds differ in their missing indicators."""
    random = np.random.default_rng(0)
    num = random.normal(size=(rows, 3)).astype(np.float32)
    num[random.random(rows) < 0.2, 1] = np.nan
    num[-1, 2] = np.nan
    cat = np.stack([random.integers(0, count, rows) for count in CARDINALITIES], axis=1)
    score = num[:, 0] + 0.3 * cat[:, 0] + random.normal(size=rows)
    edges = np.quantile(score, np.linspace(0, 1, max(2, classes + 1))[1:-1])
    target: Any = np.searchsorted(edges, score) if classes else (score - score.mean()) / score.std()
    part = Rows(num=num, cat=cat, target=target)
    return TrainingTask(
        classes=classes, cardinalities=CARDINALITIES, train=part, validation=part, seed=0,
        kind="classification" if classes else "regression",
    )  # fmt: skip


def _fold_tasks(task: TrainingTask) -> list[TrainingTask]:
    return [
        replace(task, train=task.train.take(fold.train), validation=task.train.take(fold.held), seed=number)
        for number, fold in enumerate(make_folds(task.train, task.classes, FOLDS, task.seed))
    ]


def _fold_models(algorithm: str, task: TrainingTask, **settings: Any) -> list[FittedModel]:
    trained = ALGORITHMS[algorithm]
    complete = trained.configure({**QUICK[algorithm], **settings})
    return [trained.train(complete, fold, RunContext()) for fold in _fold_tasks(task)]


def _predict(body: onnx.ModelProto, rows: Rows) -> np.ndarray:
    inputs = {NUM: rows.num, CAT: rows.cat}
    read = {value.name: inputs[value.name] for value in body.graph.input}
    (predictions,) = OnnxModel(body.SerializeToString()).run_raw(read)
    return np.asarray(predictions)


def _mean(members: list[FittedModel], rows: Rows) -> np.ndarray:
    return np.mean([member.predict(rows) for member in members], axis=0)


def _operators(body: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in body.graph.node)


@pytest.mark.parametrize("algorithm", ["gradient_boosting", "random_forest", "extra_trees"])
@pytest.mark.parametrize("classes", [0, 2, 4])
def test_the_trees_of_a_bag_are_one_node_that_predicts_the_mean(algorithm: str, classes: int) -> None:
    task = _task(classes)
    settings = {"folds": 1} if algorithm == "gradient_boosting" else {"n_estimators": 20}
    members = _fold_models(algorithm, task, **settings)
    body = average_fitted_models(members, classes=classes)
    predictions = _predict(body, task.train)
    expected = _mean(members, task.train)
    np.testing.assert_allclose(predictions.reshape(expected.shape), expected, atol=2e-5)
    assert _operators(body)["TreeEnsemble"] == 1


@pytest.mark.parametrize("algorithm", ["mlp", "resnet_mlp", "tabm"])
@pytest.mark.parametrize("classes", [0, 2, 4])
def test_the_layers_of_the_networks_of_a_bag_are_stacked(algorithm: str, classes: int) -> None:
    task = _task(classes)
    members = _fold_models(algorithm, task, epochs=2)
    body = average_fitted_models(members, classes=classes)
    predictions = _predict(body, task.train)
    expected = _mean(members, task.train)
    np.testing.assert_allclose(predictions.reshape(expected.shape), expected, atol=2e-5)
    products = _operators(members[0].body())["MatMul"]
    if algorithm == "mlp":  # all folds get the missing indicators that only some folds need
        assert _operators(body)["MatMul"] == products
    else:
        assert _operators(body)["MatMul"] == FOLDS * products

    filled = np.nan_to_num(task.train.num)
    complete = replace(task, train=replace(task.train, num=filled))
    members = _fold_models(algorithm, complete, epochs=2)
    body = average_fitted_models(members, classes=classes)
    assert _operators(body)["MatMul"] == _operators(members[0].body())["MatMul"]
    expected = _mean(members, task.train)
    np.testing.assert_allclose(_predict(body, task.train).reshape(expected.shape), expected, atol=2e-5)


def test_stacked_networks_predict_quantiles_in_order() -> None:
    task = _task(0)
    members = _fold_models("mlp", task, epochs=2, quantiles=(0.1, 0.5, 0.9))
    predictions = _predict(average_fitted_models(members, classes=0), task.train)
    assert predictions.shape == (len(task.train), 4)
    np.testing.assert_allclose(predictions, _mean(members, task.train), atol=2e-5)
    assert (np.diff(predictions[:, 1:], axis=1) >= 0).all()


def test_a_bag_of_networks_of_different_widths_predicts_their_mean() -> None:
    task = _task(2)
    members = [_fold_models("mlp", task, epochs=1, hidden=(width,))[0] for width in (4, 8)]
    predictions = _predict(average_fitted_models(members, classes=2), task.train)
    np.testing.assert_allclose(predictions, _mean(members, task.train), atol=2e-5)


def test_stacked_matrices_can_be_quantized_to_int8() -> None:
    task = _task(4)
    body = average_fitted_models(_fold_models("mlp", task, epochs=5), classes=4)
    for config, exact in ((INT8_CONFIGS[0], 0), (INT8_CONFIGS[1], 1)):
        quantized = onnx.load_from_string(DynamicInt8(config)(body.SerializeToString()).model)
        assert _operators(quantized)["MatMulInteger"] == _operators(body)["MatMul"] - exact
        np.testing.assert_allclose(_predict(quantized, task.train), _predict(body, task.train), atol=0.05)


@pytest.mark.parametrize("without", ["", "numbers", "categories"])
@pytest.mark.parametrize("classes", [0, 2, 4])
def test_the_linear_models_of_a_bag_are_one_matrix_product(classes: int, without: str) -> None:
    task = _task(classes)
    if without == "numbers":
        task = replace(task, train=replace(task.train, num=np.empty((len(task.train), 0), np.float32)))
    if without == "categories":
        rows = replace(task.train, cat=np.empty((len(task.train), 0), np.int64))
        task = replace(task, train=rows, cardinalities=())
    members = _fold_models("linear", task)
    body = average_fitted_models(members, classes=classes)
    expected = _mean(members, task.train)
    np.testing.assert_allclose(_predict(body, task.train).reshape(expected.shape), expected, atol=2e-5)
    assert _operators(body)["MatMul"] == (without != "numbers")
    single = members[0].body()
    expected = members[0].predict(task.train)
    np.testing.assert_allclose(_predict(single, task.train).reshape(expected.shape), expected, atol=2e-5)


@pytest.mark.parametrize("algorithm", ["kernel_ridge"])
@pytest.mark.parametrize("classes", [0, 2, 4])
def test_a_bag_predicts_the_mean_of_its_models(algorithm: str, classes: int) -> None:
    task = _task(classes)
    members = _fold_models(algorithm, task)
    predictions = _predict(average_fitted_models(members, classes=classes), task.train)
    expected = _mean(members, task.train)
    np.testing.assert_allclose(predictions.reshape(expected.shape), expected, atol=2e-5)


@pytest.mark.parametrize("features", [boosting_features, forest_features])
@pytest.mark.parametrize("classes", [0, 4])
def test_merged_preprocessing_has_the_features_of_each_model(features: Any, classes: int) -> None:
    task = _task(classes)
    pairs = {"pairs": [(0, 1)]} if features is boosting_features else {}
    models = [features(fold, **pairs)[0] for fold in _fold_tasks(task)]
    assert (
        len({len(model.missing_indicators) for model in models}) + len({model.fill.tobytes() for model in models}) > 2
    )
    merged = merge_preprocessing(models)
    merged_features = merged.features.apply(task.train)
    for model, indices in zip(models, merged.feature_indices, strict=True):
        np.testing.assert_array_equal(merged_features[:, indices], model.apply(task.train))
    inputs = {NUM: task.train.num, CAT: task.train.cat}
    (outputs,) = OnnxModel(merged.features.graph().SerializeToString()).run_raw(inputs)
    np.testing.assert_array_equal(outputs, merged_features)


@pytest.mark.parametrize("models", [1, FOLDS])
@pytest.mark.parametrize("classes", [2, 3])
def test_forest_probabilities_stay_between_0_and_1_despite_float32_rounding(classes: int, models: int) -> None:
    task = _task(classes)
    sure = replace(task, train=replace(task.train, num=task.train.num + 10 * task.train.target[:, None].astype("f4")))
    members = _fold_models("extra_trees", sure, n_estimators=197)[:models]
    predictions = _predict(average_fitted_models(members, classes=classes), sure.train)
    assert (predictions.min(), predictions.max()) == (0, 1)


def test_merging_equal_preprocessing_does_not_change_it() -> None:
    model, _ = boosting_features(_task(2))
    merged = merge_preprocessing([model, model, model])
    assert merged.features.width == model.width
    assert merged.features.columns is None
    assert all((indices == np.arange(model.width)).all() for indices in merged.feature_indices)


def test_a_forest_with_pure_leaves_has_one_copy_of_each_tree_for_many_classes() -> None:
    from sklearn.ensemble import ExtraTreesClassifier

    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 3)).astype(np.float32)
    forest = ExtraTreesClassifier(5, random_state=0).fit(rows, random.integers(0, 6, 200))
    assert len(forest_trees(forest.estimators_, classes=6)) == 5


@pytest.mark.parametrize(
    ("algorithm", "classes"), [("random_forest", 2), ("random_forest", 4), ("linear", 3), ("linear", 4)]
)
def test_a_model_fitted_without_a_class_predicts_0_for_the_class(algorithm: str, classes: int) -> None:
    task = _task(classes)
    without = replace(task, train=task.train.take(task.train.target != classes - 2))
    trained = ALGORITHMS[algorithm]
    members = [trained.train(trained.configure(QUICK[algorithm]), rows, RunContext()) for rows in (task, without)]
    assert not members[1].predict(task.train)[:, classes - 2].any()
    predictions = _predict(average_fitted_models(members, classes=classes), task.train)
    np.testing.assert_allclose(predictions, _mean(members, task.train), atol=2e-5)


def test_a_tree_of_a_single_leaf_predicts_the_value_of_the_leaf() -> None:
    task = _task(0)
    constant = replace(task, train=replace(task.train, target=np.full(len(task.train), 3.0)))
    algorithm = ALGORITHMS["random_forest"]
    body = algorithm.train(algorithm.configure({"n_estimators": 2}), constant, RunContext()).body()
    np.testing.assert_allclose(_predict(body, task.train), 3.0, rtol=1e-6)
