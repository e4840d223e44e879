"""Columns without influence are removed from graph and signature; a request may still have them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from pipeline.codec.unpack import unpack
from pipeline.compression.make_variants import make_variants
from pipeline.compression.passes.columns.prune_columns import PruneColumns
from pipeline.compression.passes.input_columns import InputColumn, list_input_columns, narrow_inputs
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import NotApplicableError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.serving.names import ColumnNames
from tests.fakes.objects import FakeObjectStore
from tests.helpers.trained_networks import Trained, dense_body, embedding_body, trained

KEYS = RunKeys("demo_wine_0123456789ab")
COLUMNS = tuple(InputColumn(name=f"x{index}", input="num", indices=(index,)) for index in range(4))


def body_that_reads(*indices: int) -> bytes:
    """Make a body of four columns and three classes; only the columns ``indices`` have weights."""
    weights = np.zeros((4, 3), np.float32)
    weights[list(indices)] = np.random.default_rng(0).normal(size=(len(indices), 3))
    layers = [weights, np.zeros(3, np.float32)]
    body = dense_body(layers, np.zeros(4, np.float32), np.ones(4, np.float32), classification=True)
    return bytes(body.SerializeToString())


def rows_of_numbers(count: int = 200) -> TrainingRows:
    values = np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)
    values[::7, 1] = np.nan
    return TrainingRows(inputs={"num": values}, target=np.zeros(count, np.int64), classes=3)


def context_of(body: bytes, rows: TrainingRows, columns: tuple[InputColumn, ...] = COLUMNS) -> PassContext:
    return PassContext(read_rows=lambda: rows, teacher=body, columns=columns)


def test_pruning_columns_without_weights_does_not_change_the_predictions() -> None:
    body, rows = body_that_reads(0, 2), rows_of_numbers()
    rows.inputs["num"][:, 1] = 0  # NaN times 0 is NaN
    result = PruneColumns(context_of(body, rows), max_change=1e-6)(body)
    assert set(result.pruned_columns) == {"x1", "x3"}
    np.testing.assert_allclose(predict(result.model, rows), predict(body, rows), atol=1e-6)


def test_the_narrow_body_reads_the_remaining_columns() -> None:
    body, rows = body_that_reads(1, 2), rows_of_numbers()
    rows.inputs["num"][np.isnan(rows.inputs["num"])] = 0
    result = PruneColumns(context_of(body, rows), max_change=1e-6)(body)
    narrow = narrow_inputs(onnx.load_from_string(result.model), COLUMNS, result.pruned_columns).SerializeToString()
    remaining = TrainingRows(inputs={"num": rows.inputs["num"][:, [1, 2]]}, target=None, classes=3)
    np.testing.assert_allclose(predict(bytes(narrow), remaining), predict(body, rows), atol=1e-6)


def test_no_column_is_pruned_if_each_column_changes_the_predictions() -> None:
    body, rows = body_that_reads(0, 1, 2, 3), rows_of_numbers()
    rows.inputs["num"][np.isnan(rows.inputs["num"])] = 0
    with pytest.raises(NotApplicableError, match="each column changes the predictions"):
        PruneColumns(context_of(body, rows), max_change=1e-6)(body)


def test_one_column_of_an_input_is_always_kept() -> None:
    body, rows = body_that_reads(), rows_of_numbers()
    rows.inputs["num"][np.isnan(rows.inputs["num"])] = 0
    assert len(PruneColumns(context_of(body, rows), max_change=1e-6)(body).pruned_columns) == 3


def test_column_pruning_is_not_applicable_without_rows_or_two_columns() -> None:
    body, rows = body_that_reads(0), rows_of_numbers()
    with pytest.raises(NotApplicableError, match="no training rows"):
        PruneColumns(context_of(body, rows.take(np.arange(0))), max_change=1.0)(body)
    category = bytes(embedding_body(4, 8, 8).SerializeToString())
    with pytest.raises(NotApplicableError, match="no two columns"):
        PruneColumns(context_of(category, rows), max_change=1.0)(category)


@pytest.fixture(scope="module")
def network() -> Trained:
    return trained("breast_cancer")


def test_a_variant_with_pruned_columns_is_measured_and_stored_without_them(network: Trained) -> None:
    artifacts = FakeObjectStore()
    variants = make_variants(
        [network.stored(artifacts, KEYS)],
        artifacts=artifacts,
        keys=KEYS,
        dataset=network.dataset,
        validation=network.validation,
        spec=JobSpec(compression=Compression(passes=("prune_columns",), precisions=("fp32", "int8"))),
        report=lambda text: None,
        read_training=lambda: network.validation,
    ).variants
    assert [variant.name for variant in variants][:2] == ["mlp/fp32", "mlp/prune_columns"]
    pruned = variants[1]
    assert pruned.pruned_columns
    assert pruned.artifact is not None
    model = onnx.load_from_string(unpack(artifacts.get(pruned.artifact.key)))
    signature = network.dataset.signature_of((), pruned=pruned.pruned_columns)
    assert [value.name for value in model.graph.input] == [column.name for column in signature.columns]
    predictions = OnnxModel(model.SerializeToString()).run(feeds(network.validation, signature))
    assert pruned.agreement == pytest.approx(np.mean(predictions.labels == network.answers.labels))
    assert all("prune_columns" in variant.passes for variant in variants[1:])
    assert variants[-1].pruned_columns == pruned.pruned_columns


def test_a_request_may_have_a_pruned_column_or_not(network: Trained) -> None:
    names = [column.name for column in network.dataset.columns]
    signature = network.dataset.signature_of((), pruned=tuple(names[:3]))
    assert [column.name for column in signature.columns] == names[3:]
    complete = dict.fromkeys(names, 1.0)
    assert ColumnNames(signature).rename(complete, "row 1") == dict.fromkeys(names[3:], 1.0)
    assert ColumnNames(signature).rename(dict.fromkeys(names[3:], 1.0), "row 1") == dict.fromkeys(names[3:], 1.0)


def test_the_column_indices_are_those_of_the_encoding(network: Trained) -> None:
    columns = list_input_columns(network.dataset)
    assert [column.indices for column in columns] == [(index,) for index in range(len(network.dataset.columns))]
    body = onnx.load_from_string(network.body)
    pruned = [columns[0].name, columns[5].name]
    narrow = narrow_inputs(body, columns, pruned)
    assert narrow.graph.input[0].type.tensor_type.shape.dim[1].dim_value == len(columns) - 2
