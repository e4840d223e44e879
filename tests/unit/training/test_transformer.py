"""The transformer: token ids in the graph as in training, empty texts, what stands beside them, int8."""

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


def test_it_learns_and_is_served_as_it_was_trained(run: Run) -> None:
    assert run.trained.quality["accuracy"] > 0.85
    assert run.difference() < 1e-5


def test_values_are_learned_too(train: TrainIt) -> None:
    run = train("transformer", texts("regression"))
    assert run.trained.quality["r2"] > 0.5
    assert run.difference() < 1e-5


def test_its_values_have_quantiles(train: TrainIt) -> None:
    run = train("transformer", texts("regression"), quantiles=(0.1, 0.9), loss="quantile")
    assert run.trained.quantiles == (0.1, 0.9)
    assert run.difference() < 1e-5


def test_every_text_gets_an_answer_whatever_stands_beside_it(run: Run) -> None:
    rows = run.table.validation[:8].with_columns(remark=np.array(STRANGE, object))
    probabilities = run.served(rows).probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    one_by_one = np.concatenate([run.served(rows[at]).probabilities for at in range(rows.height)])
    np.testing.assert_allclose(probabilities, one_by_one, atol=1e-6)


def test_its_body_is_quantized_and_blended_like_any_other(run: Run, train: TrainIt) -> None:
    body = (run.folder / "body.onnx").read_bytes()
    small = DynamicInt8(DYNAMIC_CONFIGS[0])(body).model
    dataset = run.table.dataset
    both = blend([onnx.load_from_string(small), onnx.load_from_string(body)], [0.5, 0.5], classes=2)
    served = OnnxModel(wrap(both, dataset, dataset.signature).SerializeToString())
    answers = served.run(feeds(run.table.validation, dataset.signature))
    assert (answers.labels == run.served(run.table.validation).labels).mean() > 0.95


def test_ids_are_those_of_the_first_tokens_and_the_graph_gives_the_same() -> None:
    told = np.array([["the box came late", "A-1"], ["", "A-2"], ["the the odd box", ""]], object)
    ids = TokenIds.of(told, most_places=12, most_tokens=99)
    assert ids.units == ("word", "letter")
    token_ids = ids.apply(told)
    assert token_ids.shape == (3, ids.positions)
    assert (token_ids[1, : ids.length] == 0).all()
    assert token_ids[0, 0] == token_ids[2, 0] >= 2
    graph = id_graph(list(zip(ids.units, ids.tokens_of_columns, strict=True)), ids.length, "ids")
    (served,) = OnnxModel(graph.SerializeToString()).run_raw({"text": told})
    np.testing.assert_array_equal(served, token_ids)


def test_what_follows_the_last_token_changes_nothing() -> None:
    torch.manual_seed(0)
    network = TextTransformer(
        vocabulary=9, positions=6, width=8, layers=2, heads=2, dropout=0.5, word_dropout=0.5, outputs=2, tabular=None
    ).eval()
    tokens = torch.tensor([[2, 3, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    nothing = torch.zeros(2, 0)
    answers = network(tokens, nothing, nothing)
    assert torch.isfinite(answers).all()
    network.places.data[2:] = 5.0
    torch.testing.assert_close(network(tokens, nothing, nothing)[0], answers[0])
