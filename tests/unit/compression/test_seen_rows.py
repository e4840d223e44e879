"""On its training rows a served file may predict better than out-of-fold models, but not worse."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import polars as pl
import pytest

from pipeline.compression.make_variants import make_variants
from pipeline.compression.seen_rows import SeenRows, find_differences
from pipeline.contracts.errors import ExportMismatchError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.variant import VariantSet
from pipeline.contracts.signature import Column, Signature
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import truth
from tests.fakes.objects import FakeObjectStore
from tests.helpers.trained_networks import Trained, trained

KEYS = RunKeys("demo_wine_0123456789ab")
COLUMNS = (Column(name="x", kind="numeric"),)
LABELS = Signature(task="classification", target="y", columns=COLUMNS, classes=("a", "b"))
VALUES = Signature(task="regression", target="y", columns=COLUMNS)
RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.choice(["a", "b"], 400).astype(object)


def _probabilities(right: float, confidence: float, seed: int = 1) -> np.ndarray:
    """Make predictions of accuracy ``right`` with the given confidence."""
    is_right = np.random.default_rng(seed).random(len(TRUTH)) < right
    of_b = np.where((TRUTH == "b") == is_right, confidence, 1 - confidence)
    return np.stack([1 - of_b, of_b], axis=1)


OUT_OF_FOLD = _probabilities(0.7, 0.7)


def _differences(served: np.ndarray, out_of_fold: np.ndarray = OUT_OF_FOLD) -> str:
    return "; ".join(find_differences(LABELS, TRUTH, Predictions.of(LABELS, served), out_of_fold))


def test_a_model_that_memorized_the_rows_is_accepted() -> None:
    assert _differences(OUT_OF_FOLD) == ""
    assert _differences(_probabilities(1.0, 0.999)) == ""
    noise = _probabilities(0.5, 0.6)
    assert _differences(_probabilities(0.5, 0.6, seed=2), noise) == "", "random predictions agree on half of the rows"
    assert _differences(_probabilities(1.0, 0.99), noise) == "", (
        "half of the out-of-fold predictions of noise are right"
    )


@pytest.mark.parametrize(
    ("served", "fact"),
    [
        (OUT_OF_FOLD[:, ::-1], "its accuracy"),
        (1 - _probabilities(0.9, 0.9), "confidently right out-of-fold"),
        (np.full((400, 2), 0.5), "mean confidence is 0.500"),
        (_probabilities(0.7, 0.994), "log loss"),
        (_probabilities(0.7, 0.994), "exceeds its accuracy"),
    ],
    ids=["swapped classes", "swapped sure classes", "a constant", "far too sure: log loss", "far too sure: confidence"],
)
def test_a_model_that_is_worse_on_its_training_rows_is_a_mismatch(served: np.ndarray, fact: str) -> None:
    assert fact in _differences(served, _probabilities(0.9, 0.9) if "confidently" in fact else OUT_OF_FOLD)


def test_nan_predictions_fail_the_error_bound() -> None:
    for fact in ("log loss", "confidence is nan", "exceeds its accuracy"):
        assert fact in _differences(np.full((400, 2), np.nan))
    truth = RANDOM.normal(size=300)
    differences = find_differences(VALUES, truth, Predictions.of(VALUES, np.full(300, np.nan)), truth)
    assert len(differences) == 2


def test_rows_without_out_of_fold_predictions_are_not_compared() -> None:
    mostly = OUT_OF_FOLD.copy()
    mostly[:390] = np.nan
    assert _differences(OUT_OF_FOLD[:, ::-1], mostly) == ""


@pytest.mark.parametrize(("factor", "facts"), [(1.0, 0), (0.0, 2), (-1.0, 2), (30.0, 1)])
def test_values_may_be_nearer_to_the_target_but_not_further_from_it(factor: float, facts: int) -> None:
    truth = RANDOM.normal(size=300)
    out_of_fold = 0.5 * truth + RANDOM.normal(0, 0.3, 300)
    differences = find_differences(VALUES, truth, Predictions.of(VALUES, factor * truth), out_of_fold)
    assert len(differences) == facts


def _make(network: Trained, labels: np.ndarray) -> VariantSet:
    """Make the variants of a bag whose fold models predicted ``labels``."""
    signature, store = network.dataset.signature, FakeObjectStore()
    rows = pl.concat([network.validation.with_columns(pl.Series(network.dataset.target, labels.tolist()))] * 2)
    labels = np.tile(labels, 2)
    out_of_fold = np.where(labels[:, None] == np.array(signature.classes), 0.5, 0.25)
    quality = measure(signature, labels, Predictions.of(signature, out_of_fold))
    candidate = network.stored(store, KEYS, quality=quality, folds=5)
    arrays = BytesIO()
    np.savez(arrays, answers=out_of_fold)
    store.put(KEYS.candidate("mlp", "out_of_fold.npz"), arrays.getvalue())
    return make_variants(
        [candidate], artifacts=store, keys=KEYS, dataset=network.dataset, validation=network.validation,
        spec=JobSpec(), report=lambda text: None,
        seen_rows=SeenRows(frame=rows, indices=np.arange(rows.height), total=rows.height),
    )  # fmt: skip


def test_a_file_that_differs_from_the_measured_model_is_refused() -> None:
    network = trained("wine")
    labels = truth(network.validation, network.dataset.signature)
    assert _make(network, labels).variants[0].status == "ok"
    with pytest.raises(ExportMismatchError, match="the rows that it was trained on: its accuracy"):
        _make(network, np.roll(labels, 7))
