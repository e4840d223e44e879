"""The transformer: token ids of the graph, empty texts, texts next to a table, and int8."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from pipeline.compression.passes.quantization.dynamic_int8 import DYNAMIC_CONFIGS, DynamicInt8
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.graphs.blending import blend
from pipeline.graphs.served_graph import wrap
from pipeline.graphs.texts import id_graph
from pipeline.training.features.token_ids import TokenIds
from pipeline.training.networks.text_transformer import TextTransformer
from tests.fakes.training import Run, TrainIt
from tests.unit.training.test_texts import STRANGE, texts


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "with a table"])
def run(request: pytest.FixtureRequest, train: TrainIt) -> Run:
    return train("transformer", texts(table=request.param))


def test_the_transformer_learns_and_is_served_like_the_trained_model(run: Run) -> None:
    assert run.trained.quality["accuracy"] > 0.85
    assert run.difference() < 1e-5


def test_the_transformer_learns_a_regression(train: TrainIt) -> None:
    run = train("transformer", texts("regression"))
    assert run.trained.quality["r2"] > 0.5
    assert run.difference() < 1e-5


def test_a_regression_of_the_transformer_has_quantiles(train: TrainIt) -> None:
    run = train("transformer", texts("regression"), quantiles=(0.1, 0.9), loss="quantile")
    assert run.trained.quantiles == (0.1, 0.9)
    assert run.difference() < 1e-5


def test_every_text_gets_a_prediction_that_does_not_depend_on_other_rows(run: Run) -> None:
    rows = run.table.validation[:8].with_columns(remark=np.array(STRANGE, object))
    probabilities = run.served(rows).probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    one_by_one = np.concatenate([run.served(rows[index]).probabilities for index in range(rows.height)])
    np.testing.assert_allclose(probabilities, one_by_one, atol=1e-6)


def test_the_body_of_the_transformer_can_be_quantized_and_blended(run: Run, train: TrainIt) -> None:
    body = (run.folder / "body.onnx").read_bytes()
    small = DynamicInt8(DYNAMIC_CONFIGS[0])(body).model
    dataset = run.table.dataset
    both = blend([onnx.load_from_string(small), onnx.load_from_string(body)], [0.5, 0.5], classes=2)
    served = OnnxModel(wrap(both, dataset, dataset.signature).SerializeToString())
    predictions = served.run(feeds(run.table.validation, dataset.signature))
    assert (predictions.labels == run.served(run.table.validation).labels).mean() > 0.95


def test_token_ids_are_those_of_the_first_tokens_and_the_graph_computes_the_same() -> None:
    remarks = np.array([["the box came late", "A-1"], ["", "A-2"], ["the the odd box", ""]], object)
    ids = TokenIds.of(remarks, max_positions=12, max_tokens=99)
    assert ids.units == ("word", "letter")
    token_ids = ids.apply(remarks)
    assert token_ids.shape == (3, ids.positions)
    assert (token_ids[1, : ids.length] == 0).all()
    assert token_ids[0, 0] == token_ids[2, 0] >= 2
    graph = id_graph(list(zip(ids.units, ids.tokens_of_columns, strict=True)), ids.length, "ids")
    (served,) = OnnxModel(graph.SerializeToString()).run_raw({"text": remarks})
    np.testing.assert_array_equal(served, token_ids)


def test_padding_after_the_last_token_does_not_change_the_output() -> None:
    torch.manual_seed(0)
    network = TextTransformer(
        vocabulary=9, positions=6, width=8, layers=2, heads=2, dropout=0.5, word_dropout=0.5, outputs=2, tabular=None
    ).eval()
    tokens = torch.tensor([[2, 3, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    nothing = torch.zeros(2, 0)
    predictions = network(tokens, nothing, nothing)
    assert torch.isfinite(predictions).all()
    network.places.data[2:] = 5.0
    torch.testing.assert_close(network(tokens, nothing, nothing)[0], predictions[0])
