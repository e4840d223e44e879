"""Fine-tuning with mixed rows (mixup) and with hints of a middle layer of the teacher."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pipeline.compression.fine_tuning.budget import Budget
from pipeline.compression.fine_tuning.hints import FeatureHints
from pipeline.compression.fine_tuning.mixup import can_mix, mix_inputs
from pipeline.compression.fine_tuning.objective import Objective
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.passes.fine_tune import FineTune, FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.pruning.prune_channels import PruneChannels
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.compression.weight_tensors import read_weights
from pipeline.contracts.errors import NotApplicableError
from pipeline.contracts.spec.sections import FineTuning
from pipeline.graphs.compose import make_model
from tests.helpers.trained_networks import trained
from tests.unit.compression.test_fine_tuning import FakeCheckpoints, FakeClock, context_of, loss_of, rows_of

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = FineTuningConfig(epochs=10, batch_size=16)


def text_body() -> bytes:
    """text -> id 0 or 1 -> one of two rows of an embedding."""
    nodes = [
        helper.make_node(
            "LabelEncoder", ["text"], ["ids"], keys_strings=["known"], values_int64s=[1], default_int64=0,
            domain="ai.onnx.ml",
        ),
        helper.make_node("Gather", ["table", "ids"], ["answer"]),
    ]  # fmt: skip
    table = np.random.default_rng(0).random((2, 64)).astype(np.float32)
    text = helper.make_tensor_value_info("text", TensorProto.STRING, ["batch"])
    output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 64])
    return bytes(
        make_model("body", nodes, [text], [output], [numpy_helper.from_array(table, "table")]).SerializeToString()
    )


def test_mixed_numbers_and_pixels_are_interpolated_and_categories_are_picked() -> None:
    rows = {
        "num": np.array([[0.0, np.nan, 4.0]], np.float32),
        "cat": np.zeros((1, 1000), np.int64),
        "image": np.full((1, 2), 100, np.uint8),
    }
    partners = {
        "num": np.array([[1.0, 2.0, np.nan]], np.float32),
        "cat": np.ones((1, 1000), np.int64),
        "image": np.full((1, 2), 201, np.uint8),
    }
    mixed = mix_inputs(rows, partners, 0.25, np.random.default_rng(0))
    np.testing.assert_array_equal(mixed["num"], np.array([[0.75, np.nan, 4.0]], np.float32))
    np.testing.assert_array_equal(mixed["image"], np.full((1, 2), 176, np.uint8))
    assert set(np.unique(mixed["cat"])) == {0, 1}
    assert mixed["cat"].mean() == pytest.approx(0.75, abs=0.05)
    assert {name: values.dtype for name, values in mixed.items()} == {name: rows[name].dtype for name in rows}


def test_the_target_of_a_mixed_row_is_the_mixed_prediction() -> None:
    rows = TrainingRows(inputs={"num": np.zeros((2, 1), np.float32)}, target=None, classes=2)
    objective = Objective.of(np.array([[0.9, 0.1], [0.2, 0.8]]), rows)
    predictions = torch.tensor([[0.5, 0.5], [0.3, 0.7]])
    loss = objective.loss(predictions, np.array([0, 1]), np.array([1, 0]), 0.75)
    goals = np.array([[0.725, 0.275], [0.375, 0.625]])
    assert float(loss) == pytest.approx(-(goals * np.log(predictions.numpy())).sum(axis=1).mean(), rel=1e-5)


def test_mixup_reduces_the_loss_of_a_pruned_network() -> None:
    network = trained("breast_cancer")
    mixed = context_of(network, fine_tuning=FineTuning(mixup=0.4))
    untrained = FineTuningConfig(epochs=1, learning_rate=1e-9)
    pruned = PruneChannels(mixed, ratio=0.75, config=untrained)(network.body).model
    tuned = FineTune(mixed, QUICK)(pruned).model
    assert loss_of(tuned, network) < loss_of(pruned, network)
    assert tuned != FineTune(context_of(network), QUICK)(pruned).model


def test_texts_cannot_be_mixed() -> None:
    body = text_body()
    rows = TrainingRows(inputs={"text": np.array(["known", "new"] * 20, object)}, target=None, classes=64)
    context = replace(
        context_of(trained("wine"), fine_tuning=FineTuning(mixup=1.0)), read_rows=lambda: rows, teacher=body
    )
    assert not can_mix(rows.inputs)
    with pytest.raises(NotApplicableError, match=r"fine_tuning\.mixup mixes numbers"):
        FineTune(context, QUICK)(body)


def feature_error(model: bytes, network_body: bytes, rows: TrainingRows) -> float:
    """Return the error of the best linear map from a middle layer to that of the teacher."""
    hints = FeatureHints(network_body, model, rows.inputs, weight=1.0)
    with torch.no_grad():
        student, teacher = (TorchGraph(body).compute(rows.inputs)[hints.name].numpy() for body in (model, network_body))
    student = np.column_stack([student, np.ones(len(student))])
    rest = teacher - student @ np.linalg.lstsq(student, teacher, rcond=None)[0]
    return float(np.square(rest).mean() / teacher.var())


def test_hints_bring_a_pruned_layer_nearer_to_the_layer_of_the_teacher() -> None:
    network = trained("breast_cancer")
    config = FineTuningConfig(epochs=30, batch_size=16)
    hinted = PruneChannels(context_of(network, fine_tuning=FineTuning(hints=5.0)), ratio=0.75, config=config)
    plain = PruneChannels(context_of(network), ratio=0.75, config=config)
    rows = rows_of(network)
    errors = [feature_error(pruning(network.body).model, network.body, rows) for pruning in (hinted, plain)]
    assert errors[0] < errors[1]


def test_an_interrupted_fine_tuning_with_hints_and_mixup_gives_the_same_model() -> None:
    network = trained("breast_cancer")
    fine_tuning = FineTuning(hints=1.0, mixup=0.4)
    wanted = PruneChannels(context_of(network, fine_tuning=fine_tuning), ratio=0.75, config=QUICK)(network.body).model
    checkpoints = FakeCheckpoints(interrupt_after=1)
    clocked = context_of(network, FakeClock(step=0.2), checkpoints=checkpoints, fine_tuning=fine_tuning)
    slow = replace(clocked, budget=replace(clocked.budget, seconds=1e6, clock=FakeClock(step=8)))
    with pytest.raises(InterruptedError):
        PruneChannels(slow, ratio=0.75, config=QUICK)(network.body)
    resumed = context_of(network, checkpoints=checkpoints, fine_tuning=fine_tuning)
    assert PruneChannels(resumed, ratio=0.75, config=QUICK)(network.body).model == wanted


def test_hints_need_a_middle_layer() -> None:
    rows = TrainingRows(inputs={"num": np.zeros((40, 8), np.float32)}, target=None, classes=0)
    weights = numpy_helper.from_array(np.ones((8, 16), np.float32), "weights")
    num, output = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("num", "answer"))
    node = helper.make_node("MatMul", ["num", "weights"], ["answer"])
    body = bytes(make_model("body", [node], [num], [output], [weights]).SerializeToString())
    context = PassContext(
        read_rows=lambda: rows, teacher=body, budget=Budget.start(60.0), fine_tuning=FineTuning(hints=1.0)
    )
    with pytest.raises(NotApplicableError, match="feature hints need a layer"):
        FineTune(context, QUICK)(body)


def change_num(rows: TrainingRows, values: float) -> TrainingRows:
    num = rows.inputs["num"].copy()
    num[:, :3] = values
    return replace(rows, inputs={**rows.inputs, "num": num})


@pytest.mark.parametrize("kind", ["constant columns", "a class is missing", "no prediction is finite"])
def test_poor_training_rows_are_used_or_refused_with_the_reason(kind: str) -> None:
    network = trained("breast_cancer")
    rows = rows_of(network)
    changed = {
        "constant columns": lambda: change_num(rows, 1.0),
        "a class is missing": lambda: rows.take(np.flatnonzero(rows.target == 1)),
        "no prediction is finite": lambda: change_num(rows, np.nan),
    }[kind]()
    context = replace(context_of(network), read_rows=lambda: changed)
    if kind == "no prediction is finite":
        with pytest.raises(NotApplicableError, match=f"there are 0 of {len(rows)} that are predicted as finite"):
            FineTune(context, QUICK)(network.body)
        return
    tuned = PruneChannels(context, ratio=0.5, config=QUICK)(network.body).model
    assert np.isfinite(predict(tuned, rows)).all()
    assert all(np.isfinite(tensor).all() for tensor in read_weights(onnx.load_from_string(tuned)))


def test_a_row_without_a_finite_prediction_is_dropped() -> None:
    network = trained("breast_cancer")
    rows = rows_of(network)
    num = rows.inputs["num"].copy()
    num[5] = np.nan
    rows_with_gap = replace(rows, inputs={**rows.inputs, "num": num})
    others = np.flatnonzero(np.arange(len(rows)) != 5)
    tuned = [
        FineTune(replace(context_of(network), read_rows=lambda training_rows=training_rows: training_rows), QUICK)(
            network.body
        ).model
        for training_rows in (rows_with_gap, rows.take(others))
    ]
    assert tuned[0] == tuned[1]
