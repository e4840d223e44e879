from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

from pipeline.compression.verify import largest_difference
from pipeline.contracts.errors import CandidateFailedError
from pipeline.evaluation.scoring import OnnxModel
from pipeline.graphs.encoding import CAT, NUM, Encoding
from pipeline.graphs.served_graph import wrap
from pipeline.training.networks.tabular_mlp import TabularMLP
from tests.fakes.tabular import table
from tests.fakes.training import TrainIt


def _network(num: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> TabularMLP:
    torch.manual_seed(0)
    return TabularMLP(num, (4,), outputs=1, hidden=(8,), dropout=0.0).eval()


def test_a_learning_rate_above_its_bound_is_refused_before_training(train: TrainIt) -> None:
    with pytest.raises(CandidateFailedError, match=r"learning_rate: 1e\+30 .* at most 10 "):
        train("mlp", table(rows=80), learning_rate=1e30)


def test_a_network_stops_early_and_keeps_the_best_epoch(train: TrainIt) -> None:
    run = train("mlp", table(rows=200), epochs=200, early_stopping=3, learning_rate=0.03)
    losses = [record["validation_loss"] for record in run.trained.history]
    assert len(losses) == np.argmin(losses) + 1 + 3 < 200
    assert run.trained.quality["log_loss"] == pytest.approx(min(losses), rel=1e-3)


def test_every_epoch_is_reported_and_recorded(train: TrainIt) -> None:
    run = train("mlp", table(rows=80), epochs=3)
    assert [record["epoch"] for record in run.trained.history] == [1, 2, 3]
    assert [text.split(",")[0] for text in run.reports if "epoch" in text] == [f"epoch {n} of 3" for n in (1, 2, 3)]


def test_the_model_file_is_the_wrapped_body(train: TrainIt) -> None:
    run = train("mlp", table("regression", rows=80))
    body = onnx.load(run.folder / "body.onnx")
    assert {graph_input.name for graph_input in body.graph.input} == {NUM, CAT}
    assert {"Gemm", "MatMul"} & {node.op_type for node in body.graph.node}
    again = wrap(body, run.table.dataset, run.table.dataset.signature)
    assert again.SerializeToString() == (run.folder / "model.onnx").read_bytes()


def test_the_body_predicts_encoded_rows(train: TrainIt) -> None:
    run = train("mlp", table(rows=80))
    encoded = Encoding.of(run.table.dataset).encode(run.table.validation)
    encoded = {name: encoded[name] for name in (NUM, CAT)}
    (probabilities,) = OnnxModel(run.folder / "body.onnx").run_raw(encoded)
    np.testing.assert_allclose(probabilities, run.served(run.table.validation).probabilities, atol=1e-6)


def test_the_checkpoint_holds_the_weights(train: TrainIt) -> None:
    run = train("mlp", table(rows=80))
    weights = load_file(run.folder / "checkpoint.safetensors")
    assert weights["layers.0.weight"].shape[0] == 16


def test_numbers_of_any_size_reach_the_first_layer_between_minus_one_and_one() -> None:
    random = np.random.default_rng(0)
    num = np.stack([random.lognormal(0, 5, 500), np.full(500, 7.0), 1e30 * random.normal(size=500)], axis=1)
    num[::7, 0] = np.nan
    rows = num.astype(np.float32)
    features = _network(rows).numbers(torch.from_numpy(np.concatenate([rows, -1e3 * rows, 1e38 * np.sign(rows)])))
    assert torch.isfinite(features).all()
    assert features.abs().max() <= 1


@pytest.mark.parametrize(("columns", "pieces", "expected"), [(1, 40, 40), (3, 16, 16), (64, 40, 16)])
def test_a_number_has_the_requested_pieces_or_fewer_if_columns_are_many(
    columns: int, pieces: int, expected: int
) -> None:
    num = np.random.default_rng(0).normal(size=(200, columns)).astype(np.float32)
    network = TabularMLP(num, (), outputs=1, hidden=(8,), dropout=0.0, pieces=pieces)
    assert network.numbers.width == columns * (1 + expected)


def test_an_unknown_category_starts_like_a_missing_category() -> None:
    network = _network(np.zeros((5, 0), np.float32))
    num = torch.zeros(1, 0)
    unknown, missing = (network(num, torch.tensor([[index]])) for index in (3, 0))
    known = network(num, torch.tensor([[1]]))
    assert torch.equal(unknown, missing)
    assert not torch.equal(unknown, known)


def test_intervals_are_served_in_order_and_agree_with_the_trained_model(train: TrainIt) -> None:
    rows = table("regression", rows=300)
    run = train("mlp", rows, quantiles=(0.9, 0.1))
    assert run.trained.quantiles == (0.1, 0.9)
    signature = rows.dataset.signature_of((), run.trained.quantiles)
    assert signature.outputs == ("value", "quantiles")
    predictions = run.served(rows.validation)
    with np.load(run.folder / "reference.npz") as reference:
        assert largest_difference(predictions, reference, signature) < 1e-5 * np.std(reference["value"])
    low, high = predictions.quantiles.T
    assert (low <= high).all()
    target = rows.validation["target"].to_numpy()
    assert 0.5 < ((low <= target) & (target <= high)).mean() < 1


def test_the_curve_of_a_regression_is_in_the_units_of_the_target(train: TrainIt) -> None:
    run = train("mlp", table("regression", rows=200), metric="rmse")
    losses = [point["validation_loss"] for point in run.trained.history]
    spread = np.std(run.table.splits["train"]["target"].to_numpy())
    assert run.trained.history[-1]["rmse"] == pytest.approx(losses[-1] ** 0.5 * spread, rel=1e-3)


@pytest.mark.parametrize("algorithm", ["tabm", "resnet_mlp"])
def test_a_network_of_blocks_without_a_width_is_refused(train: TrainIt, algorithm: str) -> None:
    with pytest.raises(CandidateFailedError, match=r"hidden: .* a list of 1 or more"):
        train(algorithm, table(rows=60), hidden=())
