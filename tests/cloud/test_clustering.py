"""Rows without a target are clustered, and the clusters are served over HTTP."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv

pytestmark = pytest.mark.cloud

CENTERS = ((0.0, 0.0), (12.0, 0.0), (0.0, 12.0))


def test_three_blobs_become_three_served_clusters(cloud: Cloud) -> None:
    random = np.random.default_rng(0)
    rows = [
        {"x": round(random.normal(x), 3), "y": round(random.normal(y), 3)}
        for x, y in (CENTERS[one] for one in random.choice(3, 300, p=(0.5, 0.3, 0.2)))
    ]
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/blobs/train.yaml", Body=b"task: clustering\n")
    run = cloud.drop_and_end("demo/blobs/rows.csv", as_csv(rows))
    assert run.status == "SUCCEEDED", run.error
    answer = cloud.post("/v2/models/blobs/infer", {"rows": [{"x": x, "y": y} for x, y in CENTERS]})
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    assert sorted(one["label"] for one in predictions) == ["0", "1", "2"]
    assert all(set(one["probabilities"]) == {"0", "1", "2"} for one in predictions)
    assert cloud.document(run.run, "card")["test_quality"]["silhouette"] > 0.6
