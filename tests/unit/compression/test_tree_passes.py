"""Passes over tree ensembles: fewer trees, fewer leaves, fewer values and no redundant splits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import ExtraTreesClassifier

from pipeline.compression.make_variants import make_variants
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.distill_trees import DistillTrees
from pipeline.compression.passes.trees.equal_subtrees import merge_equal_subtrees
from pipeline.compression.passes.trees.leaf_values import LeafValues, compute_sums
from pipeline.compression.passes.trees.order_trees import OrderTrees
from pipeline.compression.passes.trees.prune_leaves import PruneLeaves
from pipeline.compression.passes.trees.prune_trees import PruneTrees
from pipeline.compression.passes.trees.quantize_trees import QuantizeTrees
from pipeline.compression.passes.trees.tree_nodes import read_trees
from pipeline.compression.recipes import plan_passes
from pipeline.compression.storage import pack_model
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.compression.unseen_rows import UnseenRows
from pipeline.contracts.errors import NotApplicableError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.evaluation.scoring import OnnxModel, Predictions, feeds
from pipeline.exporting.c_source.run import find_compiler, run_compiled
from pipeline.exporting.c_source.source import translate
from pipeline.graphs.compose import make_model
from pipeline.graphs.lightgbm_trees import lightgbm_trees
from pipeline.graphs.served_graph import wrap
from pipeline.graphs.tree_ensemble import Trees
from pipeline.training.export.forest_trees import forest_trees
from tests.fakes.objects import FakeObjectStore
from tests.helpers.trained_networks import Trained, trained

_RANDOM = np.random.default_rng(0)
_VALUES = _RANDOM.normal(size=(800, 5)).astype(np.float32)
_TARGET = np.sin(2 * _VALUES[:, 0]) + _VALUES[:, 1] * _VALUES[:, 2]
_ROWS = TrainingRows(inputs={"num": _VALUES}, target=_TARGET, classes=0)
_NO_ROWS = TrainingRows(inputs={"num": _VALUES[:0]}, target=None, classes=0)
_KEYS = RunKeys("demo_trees_0123456789ab")


def _boost(values: np.ndarray, target: np.ndarray, objective: str, rounds: int) -> Trees:
    options = {"objective": objective, "verbose": -1, "num_threads": 1, "num_leaves": 8, "min_child_samples": 5}
    booster = lightgbm.train(options, lightgbm.Dataset(values, target), rounds)
    return lightgbm_trees(booster.model_to_string(), targets=1)


@cache
def _trees() -> Trees:
    return _boost(_VALUES, _TARGET, "regression", 80)


def _body(trees: Trees, targets: int = 1) -> bytes:
    inputs = [helper.make_tensor_value_info("num", TensorProto.FLOAT, ["batch", _VALUES.shape[1]])]
    outputs = [helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["batch", targets])]
    model: onnx.ModelProto = make_model("trees", [trees.node("num", "sums", targets=targets)], inputs, outputs)
    return bytes(model.SerializeToString())


def _context(rows: TrainingRows = _ROWS) -> PassContext:
    return PassContext(read_rows=lambda: rows, teacher=b"")


def _trees_of(body: bytes) -> Trees:
    (trees,) = read_trees(onnx.load_from_string(body))
    return trees


def test_trees_read_from_a_node_equal_the_written_trees() -> None:
    again = _trees_of(_body(_trees()))
    for name in Trees.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(_trees(), name))


def test_merging_equal_subtrees_removes_splits_and_keeps_the_sums() -> None:
    coarse = replace(_trees(), leaf_value=np.round(3 * _trees().leaf_value, 0) / 3)  # late trees are 0 everywhere
    merged = merge_equal_subtrees(coarse)
    assert len(merged.feature) < len(coarse.feature)
    assert len(merged) < len(coarse)
    sums = compute_sums(coarse, _VALUES)
    np.testing.assert_allclose(compute_sums(merged, _VALUES), sums, atol=1e-5)
    assert len(merge_equal_subtrees(merged).feature) == len(merged.feature)


@pytest.mark.parametrize("bits", [4, 8])
def test_quantized_leaves_share_few_values_and_the_sums_stay_close(bits: int) -> None:
    body = _body(_trees())
    small = QuantizeTrees(_context(), bits=bits)(body).model
    assert len(np.unique(_trees_of(small).leaf_value)) <= 2**bits
    error = predict(small, _ROWS) - predict(body, _ROWS)
    assert np.abs(error.mean()) < 0.01
    assert error.std() < (0.12 if bits == 4 else 0.02) * _TARGET.std()
    assert len(pack_model(OrderTrees()(small).model)) < 0.75 * len(pack_model(OrderTrees()(body).model))


def test_sixteen_bits_keep_the_predictions_of_training_rows_with_fewer_thresholds() -> None:
    few = TrainingRows(inputs={"num": np.round(_VALUES, 1)}, target=None, classes=0)
    body = _body(_trees())
    small = QuantizeTrees(_context(few), bits=16)(body).model
    np.testing.assert_allclose(predict(small, few), predict(body, few), atol=2e-3)
    count = [len(np.unique(_trees_of(model).threshold)) for model in (small, body)]
    assert count[0] < 0.7 * count[1]


def test_a_feature_of_many_thresholds_keeps_at_most_255() -> None:
    random = np.random.default_rng(1)
    thresholds = random.normal(size=len(_trees().threshold)).astype(np.float32)
    trees = replace(_trees(), feature=np.zeros_like(_trees().feature), threshold=thresholds)
    small = QuantizeTrees(_context(), bits=8)(_body(trees)).model
    assert 200 < len(np.unique(_trees_of(small).threshold)) <= 255
    assert np.std(predict(small, _ROWS) - predict(_body(trees), _ROWS)) < 0.05


def test_trees_can_be_quantized_without_training_rows() -> None:
    small = QuantizeTrees(_context(_NO_ROWS), bits=6)(_body(_trees())).model
    assert len(np.unique(_trees_of(small).leaf_value)) <= 64


def _fresh() -> TrainingRows:
    values = np.random.default_rng(5).normal(size=(400, 5)).astype(np.float32)
    return TrainingRows(inputs={"num": values}, target=None, classes=0)


def _error(small: bytes, body: bytes) -> float:
    """Return the error of a small body against the original body on new rows."""
    return float(np.std(predict(small, _fresh()) - predict(body, _fresh())))


@pytest.mark.parametrize("choice", ["greedy", "evenly", "first"])
def test_a_pruned_quarter_of_the_trees_predicts_better_than_every_fourth_tree(choice: Any) -> None:
    body = _body(_trees())
    small = PruneTrees(_context(), step=4, choice=choice)(body).model
    assert len(_trees_of(small)) == len(_trees()) / 4
    kept = replace(_trees(), roots=_trees().roots[::4], leaf_value=4 * _trees().leaf_value)
    assert _error(small, body) < 0.9 * _error(_body(kept), body)


def test_greedily_chosen_trees_predict_better_than_every_eighth_tree() -> None:
    body = _body(_trees())
    greedy, evenly = (PruneTrees(_context(), step=8, choice=choice)(body).model for choice in ("greedy", "evenly"))
    assert len(_trees_of(greedy)) == len(_trees_of(evenly))
    assert _error(greedy, body) < 0.9 * _error(evenly, body)


def test_a_bag_of_equal_models_is_reduced_to_one_model() -> None:
    """The bag has the same model three times: one of three trees is enough."""
    third = _trees().moved(features=np.arange(5), target=0, factor=1 / 3)
    bag = Trees.join([third, third, third])
    small = PruneTrees(_context(), step=3)(_body(bag)).model
    assert len(_trees_of(small)) <= len(_trees())
    assert _error(small, _body(bag)) < 0.01


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_pruning_leaves_keeps_the_requested_fraction_with_a_bounded_error(share: float) -> None:
    body = _body(_trees())
    small = PruneLeaves(_context(), ratio=share)(body).model
    leaves = len(_trees_of(small).leaf_value)
    assert 0.5 * share <= leaves / len(_trees().leaf_value) <= share
    assert _error(small, body) < (0.35 if share == 0.25 else 0.15) * float(np.std(predict(body, _fresh())))


def test_the_split_that_changes_the_sum_least_becomes_a_leaf_first() -> None:
    """In one of two trees of three leaves, the two leaves below a split are nearly equal."""
    trees = Trees(
        roots=np.array([0, 2]),
        feature=np.array([0, 1, 0, 1]),
        threshold=np.zeros(4, np.float32),
        left=np.array([1, -1, 3, -4]),
        right=np.array([-3, -2, -6, -5]),
        nan_left=np.zeros(4, np.int64),
        leaf_target=np.zeros(6, np.int64),
        leaf_value=np.array([1.0, 1.001, 5.0, 1.0, 9.0, 5.0], np.float32),
    )
    pruned = _trees_of(PruneLeaves(_context(), ratio=5 / 6)(_body(trees)).model)
    np.testing.assert_array_equal(np.bincount(pruned.feature), [2, 1])
    assert _error(_body(pruned), _body(trees)) < 0.01


def test_pruning_all_splits_gives_constant_predictions() -> None:
    pruned = PruneLeaves(_context(), ratio=1e-6)(_body(_trees())).model
    assert np.ptp(predict(pruned, _ROWS)) == 0


def test_pruning_leaves_keeps_the_leaves_of_each_class() -> None:
    classes = (_VALUES[:, 0] > 0).astype(int) + (_VALUES[:, 1] > 0.5)
    forest = ExtraTreesClassifier(n_estimators=20, max_depth=5, random_state=0).fit(_VALUES, classes)
    trees = forest_trees(forest.estimators_, classes=3)
    pruned = _trees_of(PruneLeaves(_context(), ratio=0.5)(_body(trees, 3)).model)
    assert len(pruned.feature) <= 0.8 * len(trees.feature)
    np.testing.assert_array_equal(np.unique(pruned.leaf_target), [0, 1, 2])
    assert np.abs(compute_sums(pruned, _VALUES) - compute_sums(trees, _VALUES)).mean() < 0.1


def test_distilled_trees_learn_the_sums_of_the_original_trees() -> None:
    several = Trees.join([_trees().moved(features=np.arange(5), target=target) for target in (0, 1)])
    small = DistillTrees(_context(), count=30)(_body(several, 2)).model
    assert len(_trees_of(small)) <= 60
    assert _error(small, _body(several, 2)) < 0.5 * float(np.std(predict(_body(several, 2), _fresh())))
    with pytest.raises(NotApplicableError, match="there are 80 trees, and 80 would replace them"):
        DistillTrees(_context(), count=80)(_body(_trees()))


def test_pruning_trees_keeps_trees_of_each_target() -> None:
    several = Trees.join([_trees().moved(features=np.arange(5), target=target) for target in (0, 1)])
    small = _trees_of(PruneTrees(_context(), step=8)(_body(several, 2)).model)
    np.testing.assert_array_equal(np.unique(small.leaf_target), [0, 1])
    assert len(small) == 20


def test_leaf_values_of_a_forest_of_several_classes_can_be_fitted() -> None:
    classes = (_VALUES[:, 0] > 0).astype(int) + (_VALUES[:, 1] > 0.5)
    forest = ExtraTreesClassifier(n_estimators=10, max_depth=4, random_state=0).fit(_VALUES, classes)
    trees = forest_trees(forest.estimators_, classes=3)
    sums = compute_sums(trees, _VALUES)
    doubled = LeafValues(trees, _VALUES, 2 * sums)
    doubled.fit(12)
    np.testing.assert_allclose(compute_sums(doubled.trees, _VALUES), 2 * sums, atol=0.25)


def test_leaf_values_of_class_fractions_stay_nonnegative() -> None:
    classes = (_VALUES[:, 0] > 0).astype(int) + (_VALUES[:, 1] > 0.5)
    forest = ExtraTreesClassifier(n_estimators=100, max_depth=9, random_state=0).fit(_VALUES, classes)
    trees = forest_trees(forest.estimators_, classes=3)
    assert trees.leaf_value.min() >= 0
    pruned = _trees_of(PruneTrees(_context(), step=4)(_body(trees, 3)).model)
    assert pruned.leaf_value.min() >= 0
    shared = _trees_of(QuantizeTrees(_context(), bits=4)(_body(pruned, 3)).model)
    assert shared.leaf_value.min() >= 0


def test_two_ensembles_that_read_the_same_input_are_compressed_separately() -> None:
    other = replace(_trees(), leaf_value=-3 * _trees().leaf_value)
    inputs = [helper.make_tensor_value_info("num", TensorProto.FLOAT, ["batch", _VALUES.shape[1]])]
    outputs = [helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["batch", 2])]
    nodes = [_trees().node("num", "one", targets=1), other.node("num", "other", targets=1)]
    nodes.append(helper.make_node("Concat", ["one", "other"], ["sums"], axis=1))
    body = make_model("trees", nodes, inputs, outputs).SerializeToString()
    context = _context()
    for tree_pass in (PruneTrees(context, step=4), PruneLeaves(context, ratio=0.5), DistillTrees(context, count=40)):
        error = predict(tree_pass(body).model, _ROWS) - predict(body, _ROWS)
        assert (error.std(axis=0) < [0.3 * _TARGET.std(), 0.9 * _TARGET.std()]).all(), tree_pass


def test_too_few_trees_or_rows_and_other_operators_are_refused() -> None:
    with pytest.raises(NotApplicableError, match="128 trees are needed, and there are 80"):
        PruneTrees(_context(), step=32)(_body(_trees()))
    with pytest.raises(NotApplicableError, match="32 training rows"):
        PruneTrees(_context(_NO_ROWS), step=2)(_body(_trees()))
    model = onnx.load_from_string(_body(_trees()))
    (transform,) = [attribute for attribute in model.graph.node[0].attribute if attribute.name == "post_transform"]
    transform.i = 2
    passes = (
        PruneTrees(_context(), step=2), PruneLeaves(_context(), ratio=0.5), DistillTrees(_context(), count=2),
        QuantizeTrees(_context(), bits=8),
    )  # fmt: skip
    for tree_pass in passes:
        with pytest.raises(NotApplicableError, match="more than add up"):
            tree_pass(model.SerializeToString())
        with pytest.raises(NotApplicableError, match="no trees"):
            tree_pass(helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString())


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_repeated_leaves_and_thresholds_are_stored_as_codes_in_c() -> None:
    small = QuantizeTrees(_context(), bits=5)(_body(_trees())).model
    source = translate(onnx.load_from_string(small), "trees")
    few = _ROWS.take(np.arange(20))
    (computed,) = run_compiled(source, few.inputs, find_compiler() or "")
    np.testing.assert_allclose(computed.ravel(), predict(small, few).ravel(), atol=1e-5)
    assert "uint8_t" in source.source
    assert len(source.source) < len(translate(onnx.load_from_string(_body(_trees())), "trees").source)


def test_trees_are_pruned_and_quantized_by_default() -> None:
    plan = plan_passes(Compression(), has_trees=True)
    assert {step.name for steps in plan.changes for step in steps} == {"prune_trees"}
    assert "codebook" in plan.quantizations
    assert plan.unchanged_too
    assert plan_passes(Compression(passes=("fine_tune",)), has_trees=True).changes[0][0].name == "fine_tune"
    assert not plan_passes(Compression()).changes


@cache
def _boosted(rounds: int = 64) -> Trained:
    """Train boosted trees in place of the network."""
    network = trained("breast_cancer")
    names = [column.name for column in network.dataset.columns]
    values = network.validation.select(names).to_numpy().astype(np.float32)
    positive = (network.validation["target"] == network.dataset.classes[1]).to_numpy()
    learned = positive ^ (
        np.random.default_rng(0).random(len(positive)) < 0.1
    )  # flipped labels, so that the trees are not overconfident
    trees = _boost(np.tile(values, (8, 1)), np.tile(learned, 8), "binary", rounds)
    nodes = [
        trees.node("num", "sums", targets=1),
        helper.make_node("Sigmoid", ["sums"], ["second"]),
        helper.make_node("Sub", ["one", "second"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["probabilities"], axis=1),
    ]
    body = make_model(
        "trees",
        nodes,
        [helper.make_tensor_value_info("num", TensorProto.FLOAT, ["batch", len(names)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [onnx.numpy_helper.from_array(np.array(1, np.float32), "one")],
    )
    model = OrderTrees()(wrap(body, network.dataset, network.dataset.signature).SerializeToString()).model
    predicted = OnnxModel(model).run(feeds(network.validation, network.dataset.signature)).probabilities
    return replace(network, body=body.SerializeToString(), model=model, predicted=predicted)


def _make_variants(rounds: int) -> tuple[Variant, ...]:
    boosted, artifacts = _boosted(rounds), FakeObjectStore()
    limits: dict[str, Any] = {"max_slowdown": 100.0, "min_agreement": 0.5, "max_quality_drop": 0.5}
    return make_variants(
        [boosted.stored(artifacts, _KEYS, "trees", no_int8="there are no weight matrices")],
        artifacts=artifacts,
        keys=_KEYS,
        dataset=boosted.dataset,
        validation=boosted.validation,
        spec=JobSpec(compression=Compression(**limits, passes=("prune_trees",), precisions=("fp32", "codebook"))),
        report=lambda _: None,
        read_training=lambda: boosted.validation,
    ).variants


def test_a_tree_candidate_has_a_pruned_and_a_quantized_variant() -> None:
    variants = _make_variants(64)
    assert [variant.name for variant in variants] == ["trees/fp32", "trees/prune_trees", "trees/prune_trees+codebook"]
    assert [variant.status for variant in variants] == ["ok", "ok", "ok"], [variant.reason for variant in variants]
    sizes = [variant.artifact.bytes for variant in variants if variant.artifact]
    assert sizes == sorted(sizes, reverse=True)
    assert variants[2].passes == ("prune_trees", "quantize_trees")
    assert "one tree in" in variants[1].reason


@pytest.mark.parametrize(("rounds", "kept"), [(64, 16), (20, 4)])
def test_the_strongest_pruning_with_enough_trees_is_used(rounds: int, kept: int) -> None:
    assert f"one tree in {kept} kept" in _make_variants(rounds)[1].reason


def test_the_cost_of_a_compressed_bag_does_not_count_less_memorization() -> None:
    signature = trained("diabetes").dataset.signature
    truth = _RANDOM.normal(size=2000)
    model = truth + _RANDOM.normal(size=2000)  # predictions of a model that has not learned the rows
    learned = (model + truth) / 2
    less = learned + 0.2 * (model - truth) + 0.1 * _RANDOM.normal(size=2000)  # memorizes less, with a small error

    def error(values: np.ndarray) -> float:
        return float(np.mean((values - truth) ** 2))

    unseen = UnseenRows(signature=signature, out_of_fold=model)
    estimates = [error(predictions.values) for predictions in unseen.estimate(_values(learned), _values(less))]
    assert error(unseen.full.values) == error(model)
    assert error(less) > 1.8 * error(learned)
    assert 1.02 < np.mean(estimates) / error(model) < 1.2
    assert all(
        error(predictions.values) == error(model) for predictions in unseen.estimate(_values(learned), _values(learned))
    )


def _values(values: np.ndarray) -> Predictions:
    return Predictions(labels=np.empty(0, object), probabilities=np.empty((0, 0)), values=values)


def test_the_probabilities_of_a_bag_are_shifted_in_log_odds() -> None:
    boosted = _boosted()
    unseen = UnseenRows(signature=boosted.dataset.signature, out_of_fold=boosted.predicted * 0.8 + 0.1)
    model = OnnxModel(boosted.model).run(feeds(boosted.validation, boosted.dataset.signature))
    surer = replace(model, probabilities=model.probabilities**2 / (model.probabilities**2).sum(axis=1, keepdims=True))
    for same, moved in zip(unseen.estimate(model, model), unseen.estimate(model, surer), strict=True):
        np.testing.assert_allclose(same.probabilities, unseen.full.probabilities, atol=1e-6)
        np.testing.assert_allclose(moved.probabilities.sum(axis=1), 1, atol=1e-6)
        assert np.abs(moved.probabilities - 0.5).mean() > np.abs(same.probabilities - 0.5).mean()
