"""A network is fine-tuned from a registered model, but not from a model of another tenant."""

from __future__ import annotations

import io

import pytest
from safetensors.numpy import load

from pipeline.contracts.object_keys import RunKeys
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, breast_cancer

pytestmark = pytest.mark.cloud

NETWORK = b"algorithms: [mlp]\ncompression: {precisions: [fp32]}\ntraining: {epochs: 8}\n"


def weights(cloud: Cloud, run: str) -> dict[str, object]:
    key = RunKeys(run).candidate("mlp", "checkpoint.safetensors")
    body = io.BytesIO(cloud.s3.get_object(Bucket=cloud.artifacts, Key=key)["Body"].read())
    return dict(load(body.getvalue()))


def test_few_rows_fine_tune_a_live_model_whose_frozen_weights_do_not_change(cloud: Cloud) -> None:
    rows = breast_cancer()
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/base/train.yaml", Body=NETWORK)
    base = cloud.drop_and_end("demo/base/rows.csv", as_csv(rows[:400]))
    assert base.status == "SUCCEEDED", base.error
    spec = b"training: {base_model: demo/base@live, freeze: true, epochs: 5}\ncompression: {precisions: [fp32]}\n"
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/tuned/train.yaml", Body=spec)
    tuned = cloud.drop_and_end("demo/tuned/rows.csv", as_csv(rows[400:]))
    assert tuned.status == "SUCCEEDED", tuned.error
    before, after = weights(cloud, base.run), weights(cloud, tuned.run)
    assert {name for name in before if (before[name] != after[name]).any()} <= {"layers.8.weight", "layers.8.bias"}  # type: ignore[attr-defined]
    card = cloud.document(tuned.run, "card")
    assert card["algorithm"] == "mlp"
    assert any("initialized with the weights of demo/base@1" in note for one in card["tried"] for note in one["notes"])
    answer = cloud.post("/v2/models/tuned/infer", {"rows": [{k: v for k, v in rows[0].items() if k != "diagnosis"}]})
    assert answer.status_code == 200, answer.text

    cloud.s3.put_object(Bucket=cloud.uploads, Key="other/tuned/train.yaml", Body=spec)
    refused = cloud.drop_and_end("other/tuned/rows.csv", as_csv(rows[400:]))
    assert refused.status == "FAILED"
    assert refused.error is not None
    assert "'demo/base@live' is not a model of this tenant" in refused.error.message
