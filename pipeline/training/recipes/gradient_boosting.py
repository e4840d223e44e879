"""Gradient boosting by LightGBM: usually the best on tables, small and fast to answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline.contracts.declaration import Adjustment, Range
from pipeline.training.recipe import Declaration, Fitted, Problem, Recipe, Rows, Settings

if TYPE_CHECKING:
    import lightgbm
    import onnx

    from pipeline.training.preprocessing import Preprocessing

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> Fitted:
    """Until the validation loss has not improved for ``early_stopping_rounds`` trees; the best ones are kept."""
    import lightgbm

    from pipeline.training.preprocessing import boosting_features

    preprocessing, features = boosting_features(problem)
    options = _options(settings, problem)
    rows = lightgbm.Dataset(features, problem.train.target, weight=problem.train.weight, params=options)
    held_out = lightgbm.Dataset(
        preprocessing.apply(problem.validation),
        problem.validation.target,
        weight=problem.validation.weight,
        reference=rows,
    )
    booster = lightgbm.train(
        options,
        rows,
        num_boost_round=settings["n_estimators"],
        valid_sets=[held_out],
        callbacks=[
            lightgbm.early_stopping(settings["early_stopping_rounds"], verbose=False),
            _reporting(problem),
        ],
    )
    booster = _in_float32(booster)

    def predict(rows: Rows) -> Any:
        import numpy as np

        answers = booster.predict(preprocessing.apply(rows), num_threads=problem.threads)
        return np.stack([1 - answers, answers], axis=1) if problem.classes == 2 else answers

    return Fitted(predict=predict, body=lambda: _body(booster, preprocessing))


def _options(settings: Settings, problem: Problem) -> dict[str, Any]:
    objective = {0: "regression", 2: "binary"}.get(problem.classes, "multiclass")
    return {
        "objective": objective,
        **({"num_class": problem.classes} if objective == "multiclass" else {}),
        **{name: settings[name] for name in ("learning_rate", "num_leaves", "min_child_samples")},
        "bin_construct_sample_cnt": max(len(problem.train.num), 200_000),  # lest the only missing values be overlooked
        "num_threads": problem.threads,
        "seed": problem.seed,
        "deterministic": True,
        "force_row_wise": True,  # which of the two is faster would be tried out, and differ from run to run
        "verbose": -1,
    }


def _reporting(problem: Problem) -> Any:
    def report(env: Any) -> None:
        if env.iteration % 50 == 49:
            problem.report(f"tree {env.iteration + 1} of {env.end_iteration}, validation loss {_loss(env):.4f}")

    return report


def _loss(env: Any) -> float:
    return float(env.evaluation_result_list[0][2])


def _in_float32(booster: lightgbm.Booster) -> lightgbm.Booster:
    """The best trees, each threshold the greatest float32 that is not above it.

    The columns are float32 and the thresholds float64 between two of them: rounded down, every row goes the same way,
    and the ONNX file, whose thresholds are float32, says exactly what LightGBM says.
    """
    import lightgbm

    text = booster.model_to_string(num_iteration=booster.best_iteration)
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)  # in bytes; without it the trees are read in turn
    text = re.sub(r"^threshold=(.*)$", _rounded_down, text, flags=re.MULTILINE)
    return lightgbm.Booster(model_str=text)


def _rounded_down(line: re.Match[str]) -> str:
    import numpy as np

    exact = np.array(line[1].split(), np.float64)
    nearest = exact.astype(np.float32)
    down = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    return "threshold=" + " ".join(repr(float(value)) for value in down)


def _body(booster: lightgbm.Booster, preprocessing: Preprocessing) -> onnx.ModelProto:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    from pipeline.training.exporting import body_of
    from pipeline.training.preprocessing import FEATURES

    graph = convert_lightgbm(
        booster,
        name="trees",
        initial_types=[(FEATURES, FloatTensorType([None, preprocessing.width]))],
        target_opset=15,  # the newest that onnxmltools writes; what it uses has not changed since
        zipmap=False,
    )
    return body_of(preprocessing, graph)


RECIPE = Recipe(
    declares=Declaration(
        name="gradient_boosting",
        tasks=("classification", "regression"),
        reads=("num", "cat"),
        needs="cpu",
        good_at="most often the best on tables; stops when the validation rows no longer improve",
        defaults={
            "n_estimators": 2000,
            "learning_rate": 0.05,
            "num_leaves": 31,
            "min_child_samples": 20,
            "early_stopping_rounds": 50,
        },
        adjustments=(
            Adjustment(rows_up_to=2_000, settings={"num_leaves": 15, "min_child_samples": 10}),
            Adjustment(rows_up_to=500, settings={"min_child_samples": 5}),
            Adjustment(rows_up_to=100, settings={"min_child_samples": 2}),
            # A tree a class each round: faster rounds keep time and size in hand.
            Adjustment(
                classes_over=2, settings={"n_estimators": 400, "learning_rate": 0.1, "early_stopping_rounds": 30}
            ),
        ),
        space={
            "learning_rate": Range(low=0.01, high=0.2, log=True),
            "num_leaves": Range(low=7, high=127, log=True, whole=True),
            "min_child_samples": Range(low=2, high=100, log=True, whole=True),
        },
        least_rows=50,
        most_classes=50,
        turn=30,
    ),
    quantizable=False,
    tolerance=1e-4,  # a thousand leaves are summed, in float32 where LightGBM has float64
    train=_train,
)
