"""Poor validation and calibration rows: one row, constant columns, missing classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline.compression.make_variants import make_variants
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.spec.job_spec import Compression, JobSpec
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.selection.select import select
from tests.fakes.objects import FakeObjectStore
from tests.helpers.trained_networks import trained

KEYS = RunKeys("demo_wine_0123456789ab")
FEATURES = pl.all().exclude("target")
ROWS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "one row": lambda rows: rows.head(1),
    "constant columns": lambda rows: rows.with_columns(FEATURES.first()),
    "one class": lambda rows: rows.filter(pl.col("target").eq(rows["target"][0])),
}


@pytest.mark.parametrize(
    ("name", "metric", "kind"),
    [*(("wine", "log_loss", kind) for kind in ROWS), ("diabetes", "rmse", "one row")],
)
def test_poor_rows_do_not_fail_the_run_and_a_variant_is_selected(name: str, metric: str, kind: str) -> None:
    network, artifacts = trained(name), FakeObjectStore()
    rows = ROWS[kind](network.validation)
    predictions = OnnxModel(network.model).run(feeds(rows, network.dataset.signature))
    predicted = predictions.probabilities if network.dataset.classes else predictions.values
    network = replace(network, validation=rows, predicted=np.asarray(predicted))
    spec = JobSpec(compression=Compression(precisions=("fp32", "int8")))
    variants = make_variants(
        [network.stored(artifacts, KEYS)],
        artifacts=artifacts,
        keys=KEYS,
        dataset=network.dataset,
        validation=rows,
        spec=spec,
        report=lambda _: None,
        read_training=lambda: rows,
    )
    assert variants.variants[0].status == "ok"
    assert all(variant.reason for variant in variants.variants if variant.status != "ok")
    chosen = select(variants, metric=metric, spec=spec)
    assert chosen.winner.status == "ok"
    assert all(row.reason for row in chosen.leaderboard)
