"""From a file to predictions, for each kind of problem."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.serving.api.protocols.infer import infer_document
from tests.fakes.whole_way import csv, learn

_QUICK = "algorithms: [linear, gradient_boosting]\nsettings: {gradient_boosting: {n_estimators: 20, folds: 1}}\n"


@pytest.fixture
def rows() -> dict[str, list[object]]:
    rng = random.Random(0)
    x = [round(rng.gauss(0, 1), 3) for _ in range(240)]
    kind = [rng.choice("abc") for _ in x]
    return {
        "x": x,
        "kind": kind,
        "small": [round(2 * value + (word == "a") + rng.gauss(0, 0.1), 3) for value, word in zip(x, kind, strict=True)],
        "large": [round(5000 - 900 * value + rng.gauss(0, 90), 1) for value in x],
        "tags": [
            "|".join(tag for tag, has in (("down", value < 0), ("far", abs(value) > 1), ("a", word == "a")) if has)
            or "calm"
            for value, word in zip(x, kind, strict=True)
        ],
    }


def pick(rows: dict[str, list[object]], *names: str) -> bytes:
    return csv({name: rows[name] for name in names})


def test_two_targets_are_predicted_together(rows: dict[str, list[object]], tmp_path: Path) -> None:
    learned = learn(pick(rows, "x", "kind", "small", "large"), tmp_path, spec=f"target: [small, large]\n{_QUICK}")
    assert learned.plan.metric == "r2"
    assert learned.selection.winner.candidate == "linear"
    assert learned.card.test_quality["r2"] > 0.95
    assert [entry.target for entry in learned.card.by_target] == ["small", "large"]
    assert learned.card.by_target[0].quality["rmse"] < 0.3
    assert learned.card.by_target[1].quality["rmse"] < 200
    (prediction,) = learned.predict([{"x": 1.0, "kind": "a"}])
    assert prediction["value"]["small"] == pytest.approx(3.0, abs=0.3)
    assert prediction["value"]["large"] == pytest.approx(4100, abs=200)
    assert learned.predict(list(learned.golden.rows))[0]["value"] == pytest.approx(
        learned.golden.predictions[0]["value"]
    )
    tensors = {"inputs": [
        {"name": "x", "shape": [2], "datatype": "FP32", "data": [1.0, -1.0]},
        {"name": "kind", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
    ]}  # fmt: skip
    (output,) = json.loads(infer_document(learned.model, tensors).body)["outputs"]
    assert (output["name"], output["shape"], len(output["data"])) == ("value", [2, 2], 4)
    assert output["data"][:2] == pytest.approx(list(prediction["value"].values()), rel=1e-4)


def test_served_predictions_have_the_errors_measured_for_each_target(
    rows: dict[str, list[object]], tmp_path: Path
) -> None:
    learned = learn(pick(rows, "x", "kind", "small", "large"), tmp_path, spec=f"target: [small, large]\n{_QUICK}")
    test = learned.test_rows()
    predictions = learned.predict(test.select("x", "kind").to_dicts())
    for name, quality in ((entry.target, entry.quality) for entry in learned.card.by_target):
        error = np.array([row["value"][name] for row in predictions]) - test[name].to_numpy()
        assert np.sqrt((error**2).mean()) == pytest.approx(quality["rmse"], rel=1e-3)


def test_lists_of_labels_are_predicted_label_by_label(rows: dict[str, list[object]], tmp_path: Path) -> None:
    learned = learn(pick(rows, "x", "kind", "tags"), tmp_path, spec="algorithms: [linear, random_forest]")
    assert learned.plan.metric == "log_loss"
    assert learned.dataset.classes == ("a", "calm", "down", "far")
    assert learned.card.test_quality["f1_micro"] > 0.9
    assert {entry.target for entry in learned.card.by_target} == {"a", "calm", "down", "far"}
    far, calm = learned.predict([{"x": -2.0, "kind": "a"}, {"x": 0.5, "kind": "b"}])
    assert far["label"] == ["a", "down", "far"]
    assert calm["label"] == ["calm"]
    assert all(probability > 0.5 for label, probability in far["probabilities"].items() if label in far["label"])
    tensors = {"inputs": [
        {"name": "x", "shape": [1], "datatype": "FP32", "data": [-2.0]},
        {"name": "kind", "shape": [1], "datatype": "BYTES", "data": ["a"]},
    ]}  # fmt: skip
    label, probabilities = json.loads(infer_document(learned.model, tensors).body)["outputs"]
    assert (label["data"], probabilities["shape"]) == (["a|down|far"], [1, 4])


def test_candidates_of_several_labels_are_blended(rows: dict[str, list[object]], tmp_path: Path) -> None:
    spec = "algorithms: [kernel_ridge, random_forest, extra_trees]"
    learned = learn(pick(rows, "x", "kind", "tags"), tmp_path, spec=spec)
    variants = {(row.variant.candidate, row.variant.precision): row.variant for row in learned.selection.leaderboard}
    assert learned.selection.winner.candidate == "blend"
    quality = variants["blend", "fp32"].quality["log_loss"]
    assert quality < variants["random_forest", "fp32"].quality["log_loss"]
    assert variants["student", "fp32"].reason == "a student learns only one target"
    assert learned.predict([{"x": -2.0, "kind": "a"}])[0]["label"] == ["a", "down", "far"]


def test_candidates_of_several_numbers_are_blended(tmp_path: Path) -> None:
    rng = random.Random(0)
    x = [rng.uniform(-3, 3) for _ in range(240)]
    wave = [value + (value > 0) + rng.gauss(0, 0.4) for value in x]
    steep = [-500 * value + 400 * (value > 1) + rng.gauss(0, 200) for value in x]
    spec = "target: [wave, steep]\nalgorithms: [linear, random_forest]\n"
    learned = learn(csv({"x": x, "wave": wave, "steep": steep}), tmp_path, spec=spec)
    variants = {row.variant.candidate: row.variant for row in learned.selection.leaderboard if row.rank is not None}
    assert learned.selection.winner.candidate == "blend"
    assert variants["blend"].quality["r2"] > max(variants[name].quality["r2"] for name in ("linear", "random_forest"))
    (prediction,) = learned.predict([{"x": 2.0}])
    assert prediction["value"]["wave"] == pytest.approx(3, abs=0.5)
    assert prediction["value"]["steep"] == pytest.approx(-600, abs=250)


def test_thirty_rows_are_enough_for_a_model(tmp_path: Path) -> None:
    x = [number / 10 for number in range(30)]
    learned = learn(csv({"x": x, "y": [3 * value + 1 for value in x]}), tmp_path, spec="algorithms: [linear]")
    assert learned.predict([{"x": 1.0}])[0]["value"] == pytest.approx(4, abs=0.3)
    assert any("uncertain" in warning for warning in learned.card.warnings)


def test_a_model_of_a_thousand_classes_predicts(tmp_path: Path) -> None:
    rng = random.Random(0)
    names = [f"class {number:04d}" for number in range(1000) for _ in range(4)]
    body = csv({
        "x": [int(name[-4:]) // 32 + rng.gauss(0, 0.05) for name in names],
        "y": [int(name[-4:]) % 32 + rng.gauss(0, 0.05) for name in names],
        "name": names,
    })  # fmt: skip
    spec = (
        "algorithms: [mlp]\ncompression: {precisions: [fp32]}\n"
        "training: {epochs: 30, batch_size: 1024, learning_rate: 0.02, hidden: [128]}\nfolds: 1\n"
    )
    learned = learn(body, tmp_path, spec=spec)
    assert len(learned.dataset.classes) == 1000
    assert learned.card.test_quality["accuracy"] > 0.3
    (prediction,) = learned.predict([{"x": 15.0, "y": 20.0}])
    assert len(prediction["probabilities"]) == 1000


def test_a_text_column_and_a_numeric_column_both_affect_predictions(tmp_path: Path) -> None:
    rng = random.Random(0)
    moods = [rng.choice(["good", "bad"]) for _ in range(300)]
    sizes = [rng.gauss(0, 1) for _ in moods]
    nouns = ["film", "book", "meal", "town", "song", "game", "tool", "team", "road", "game"]
    texts = [
        f"the {rng.choice(nouns)} was {mood} and the {rng.choice(nouns)} of number {rng.randrange(1000)} too"
        for mood in moods
    ]
    price = [round((5 if mood == "good" else 1) + 2 * size, 3) for mood, size in zip(moods, sizes, strict=True)]
    learned = learn(csv({"text": texts, "size": sizes, "price": price}), tmp_path, spec=_QUICK)
    kinds = {column.name: column.kind for column in learned.dataset.columns}
    assert kinds == {"text": "text", "size": "numeric"}
    good, bad, large = learned.predict(
        [
            {"text": "the book was good and the song of number 7 too", "size": 0},
            {"text": "the book was bad and the song of number 7 too", "size": 0},
            {"text": "the book was bad and the song of number 7 too", "size": 1.5},
        ]
    )
    assert good["value"] - bad["value"] > 2
    assert large["value"] - bad["value"] > 1.5
