from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.scoring import OnnxModel
from pipeline.graphs.encoding import CAT, NUM
from pipeline.training.algorithm import Rows, TrainingTask
from pipeline.training.estimators.forests import max_leaves
from pipeline.training.features.preprocessing import boosting_features, forest_features, linear_features


def _task(classes: int = 0, rows: int = 400, categories: int = 5) -> TrainingTask:
    random = np.random.default_rng(0)
    num = random.normal(size=(rows, 3)).astype(np.float32)
    num[random.random(rows) < 0.2, 1] = np.nan
    cat = random.integers(1, categories + 1, (rows, 2))
    target = random.integers(0, classes, rows) if classes else random.normal(size=rows)
    part = Rows(num=num, cat=cat, target=target)
    cardinalities = (categories + 2, categories + 2)
    return TrainingTask(
        classes=classes,
        cardinalities=cardinalities,
        train=part,
        validation=part,
        seed=0,
    )


@pytest.mark.parametrize("features", [linear_features, forest_features, boosting_features])
@pytest.mark.parametrize("classes", [0, 2, 9])
def test_the_graph_computes_exactly_the_same_features_as_training(features: type, classes: int) -> None:
    task = _task(classes)
    preprocessing, matrix = features(task)
    rows = task.train
    (outputs,) = OnnxModel(preprocessing.graph().SerializeToString()).run_raw({NUM: rows.num, CAT: rows.cat})
    np.testing.assert_array_equal(outputs, preprocessing.apply(rows))
    assert matrix.shape == outputs.shape == (len(rows.num), preprocessing.width)


def test_the_code_of_a_category_is_its_mean_target() -> None:
    task = _task(categories=2, rows=4000)
    preprocessing, _ = boosting_features(task)
    for label in (1, 2):
        mean = task.train.target[task.train.cat[:, 0] == label].mean()
        assert preprocessing.id_encodings[label, 0] == pytest.approx(mean, abs=0.01)


def test_the_code_of_a_rare_category_does_not_leak_the_target() -> None:
    task = _task(categories=300)
    _, matrix = boosting_features(task)
    correlation = np.corrcoef(matrix[:, 3], task.train.target)[0, 1]
    preprocessing, _ = boosting_features(task)
    naive = np.corrcoef(preprocessing.apply(task.train)[:, 3], task.train.target)[0, 1]
    assert abs(correlation) < 0.15
    assert naive > 0.4


def test_missing_values_stay_for_boosting_and_are_flagged_for_other_models() -> None:
    task = _task()
    for features, keeps_missing in ((boosting_features, True), (forest_features, False), (linear_features, False)):
        preprocessing, matrix = features(task)
        assert np.isnan(matrix[:, 1]).any() == keeps_missing
        assert preprocessing.missing_indicators.tolist() == ([] if keeps_missing else [1])
        assert np.isfinite(preprocessing.apply(task.train)[:, 0]).all()


@pytest.mark.parametrize(("trees", "classes"), [(200, 0), (200, 2), (300, 100), (100_000, 1000)])
def test_the_number_of_leaves_bounds_the_size_of_a_forest(trees: int, classes: int) -> None:
    assert max_leaves(trees, classes) >= 8
    if trees < 100_000:
        assert 5 * trees * max_leaves(trees, classes) * (25 + 12 * classes * (classes > 2)) <= 20_000_000
