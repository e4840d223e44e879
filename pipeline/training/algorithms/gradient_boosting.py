"""Gradient boosting by LightGBM: usually the best algorithm on tables, small and fast to serve."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pipeline.contracts.algorithms.config import AlgorithmConfig, hyperparameter, search_range
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost, SettingsOverride
from pipeline.training.algorithm import Algorithm, FittedModel, Objective, Rows, RunContext, TrainingTask
from pipeline.training.features.text_inputs import with_text_features

if TYPE_CHECKING:
    import lightgbm

    from pipeline.graphs.tree_ensemble import Trees
    from pipeline.training.export.bodies import TreeBody
    from pipeline.training.features.preprocessing import Preprocessing

__all__ = ["ALGORITHM", "GradientBoostingConfig"]

_MANY_CELLS = 100_000  # with fewer, one thread is used: several would wait for each other longer than they compute
_VERY_MANY_COLUMNS = 200
_EVAL_PERIOD = 50  # trees between two progress messages
_MIN_TREE_COLUMNS = 6  # minimum number of columns that a tree may split on, if there are as many
_MIN_BAGGED_ROWS = 10  # minimum number of rows per tree; LightGBM rejects a bagging fraction of less than one row
_OBJECTIVES: Mapping[Objective, str] = MappingProxyType(
    {
        "squared_error": "regression",
        "absolute_error": "regression_l1",
        "relative_error": "regression_l1",  # rows are weighted by 1 / |target|
        "poisson": "poisson",
        "tweedie": "tweedie",
    }
)
_LIGHTGBM_FIELDS = {
    "learning_rate", "num_leaves", "min_child_samples", "feature_fraction", "bagging_fraction", "extra_trees",
}  # fmt: skip


class GradientBoostingConfig(AlgorithmConfig):
    """Hyper-parameters of gradient boosting, with LightGBM's names where LightGBM has the parameter."""

    n_estimators: Annotated[int, hyperparameter("Maximum rounds of boosting.", unit="rounds", ge=1, le=100_000)] = 4000
    learning_rate: Annotated[
        float, hyperparameter("Factor of each tree's predictions.", gt=0, le=10), search_range(0.01, 0.2, log=True)
    ] = 0.02
    num_leaves: Annotated[
        int,
        hyperparameter("Maximum leaves of a tree.", unit="leaves", ge=2, le=131_072),
        search_range(7, 127, log=True, whole=True),
    ] = 15
    min_child_samples: Annotated[
        int,
        hyperparameter("Minimum training rows of a leaf.", unit="rows", ge=0, le=1_000_000_000),
        search_range(2, 100, log=True, whole=True),
    ] = 20
    feature_fraction: Annotated[
        float,
        hyperparameter("Share of the columns that each tree uses.", unit="share of columns", gt=0, le=1),
        search_range(0.2, 1.0),
    ] = 0.3
    bagging_fraction: Annotated[
        float, hyperparameter("Share of the rows that each tree is fitted to.", unit="share of rows", gt=0, le=1)
    ] = 0.8
    extra_trees: Annotated[bool, hyperparameter("Whether each split considers one random threshold of a column.")] = (
        False
    )
    early_stopping_rounds: Annotated[
        int,
        hyperparameter("Rounds without a lower held-out loss before boosting ends.", unit="rounds", ge=1, le=100_000),
    ] = 100
    folds: Annotated[
        int,
        hyperparameter("Deprecated (use `folds`): folds of this candidate's bag; 0: those of the run.", ge=0, le=20),
    ] = 0
    turn: Annotated[
        bool, hyperparameter("Whether pairs of numeric columns are rotated where that lowers the held-out loss.")
    ] = True

    @property
    def bag_folds(self) -> int | None:
        """Return the number of folds from the deprecated field; None: the run's number of folds."""
        return self.folds or None


def _train(config: GradientBoostingConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Train until the held-out loss has not improved for ``early_stopping_rounds``; keep the best iteration."""
    import lightgbm

    from pipeline.training.features.preprocessing import boosting_features

    pairs = _select_pairs(config, task, context) if config.turn else ()
    preprocessing, features = boosting_features(task, pairs)
    options = _options(config, task, context)
    # With few columns, a small fraction would leave most trees without the informative columns.
    options["feature_fraction"] = max(options["feature_fraction"], min(1.0, _MIN_TREE_COLUMNS / features.shape[1]))
    rows = lightgbm.Dataset(features, task.train.target, weight=task.loss_weight(task.train), params=options)
    held_out = lightgbm.Dataset(
        preprocessing.apply(task.validation),
        task.validation.target,
        weight=task.loss_weight(task.validation),
        reference=rows,
    )
    # A refit trains as many trees as were best in its folds, without early stopping, since it learns from all rows.
    stopping = lightgbm.early_stopping(config.early_stopping_rounds, verbose=False)
    booster = lightgbm.train(
        options,
        rows,
        num_boost_round=config.n_estimators if task.tuned is None else round(task.tuned["trees"]),
        valid_sets=[held_out],
        callbacks=[*([stopping] if task.tuned is None else []), _eval_callback(context)],
    )
    late = context.is_timed_out
    classes = task.classes  # predict must not keep the task, which has the training rows

    def predict(rows: Rows) -> Any:
        import numpy as np

        features = preprocessing.apply(rows)
        predictions = booster.predict(features, num_threads=context.threads, raw_score=not classes)
        return np.stack([1 - predictions, predictions], axis=1) if classes == 2 else predictions

    return FittedModel(
        predict=predict,
        body=_body(booster, preprocessing, classes=classes),
        notes=("training time ran out before the trees stopped improving",) if late else (),
        tuned={"trees": booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()},
    )


def _select_pairs(
    config: GradientBoostingConfig, task: TrainingTask, context: RunContext
) -> tuple[tuple[int, int], ...]:
    """Return the pairs of numeric columns whose rotations lower the held-out loss."""
    from pipeline.training.features.pair_rotation import select_rotations
    from pipeline.training.features.preprocessing import boosting_features

    _, features = boosting_features(task)
    options = _options(config, task, context)
    options["metric"] = ""  # LightGBM then evaluates the objective's loss
    return select_rotations(features, task.train.target, task.train.num.shape[1], options, seed=task.seed)


def _options(config: GradientBoostingConfig, task: TrainingTask, context: RunContext) -> dict[str, Any]:
    objective = {0: _OBJECTIVES[task.loss], 2: "binary"}.get(task.classes, "multiclass")
    return {
        "objective": objective,
        "metric": "auc" if task.metric == "auc" and objective == "binary" else "",  # "": the objective's loss
        **({"num_class": task.classes} if objective == "multiclass" else {}),
        **config.model_dump(include=_LIGHTGBM_FIELDS),
        "bagging_fraction": max(config.bagging_fraction, min(1.0, _MIN_BAGGED_ROWS / len(task.train))),
        "bagging_freq": 1,
        "bin_construct_sample_cnt": max(len(task.train), 200_000),  # a smaller sample may miss rare NaNs
        "num_threads": context.threads if task.train.num.size + task.train.cat.size > _MANY_CELLS else 1,
        "seed": task.seed,
        "deterministic": True,
        **_histograms(task.train.num.shape[1] + task.train.cat.shape[1]),
        "verbose": -1,
    }


def _histograms(columns: int) -> dict[str, Any]:
    """Return the options of LightGBM's histograms; its automatic choice depends on timing, so that runs would differ.

    With very many columns, building histograms takes longer than reading rows: with a quarter of the bins, a tree takes
    a third of the time (1,440 rows x 1,000 columns: 6 ms instead of 16 ms, at the same loss).
    """
    return {"force_col_wise": True, "max_bin": 63} if columns > _VERY_MANY_COLUMNS else {"force_row_wise": True}


def _eval_callback(context: RunContext) -> Any:
    """Return a LightGBM callback that reports progress and the learning curve, and stops at the deadline."""
    from lightgbm.callback import EarlyStopException

    def watch(env: Any) -> None:
        ((_, metric, held_out, greater_is_better),) = env.evaluation_result_list
        if env.iteration % _EVAL_PERIOD == _EVAL_PERIOD - 1:
            tree, name = env.iteration + 1, metric if greater_is_better else "loss"
            context.report(f"tree {tree} of {env.end_iteration}, held-out {name} {held_out:.4f}")
            context.watch({"tree": tree, name if greater_is_better else "validation_loss": held_out})
        if context.is_timed_out:
            raise EarlyStopException(env.iteration, env.evaluation_result_list)

    watch.order = 40  # type: ignore[attr-defined]  # runs after early_stopping, which records the best iteration
    return watch


def _body(booster: lightgbm.Booster, preprocessing: Preprocessing, *, classes: int) -> TreeBody:
    """Return the body with the trees of the best iteration."""
    from pipeline.graphs.lightgbm_trees import lightgbm_trees
    from pipeline.training.export.bodies import TreeBody

    def read() -> Trees:
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        return lightgbm_trees(text, targets=classes if classes > 2 else 1)

    return TreeBody(preprocessing=preprocessing, read=read, classes=classes, link="logistic" if classes else "none")


ALGORITHM = Algorithm(
    config=GradientBoostingConfig,
    spec=AlgorithmSpec(
        name="gradient_boosting",
        supported_inputs=("num", "cat"),
        strengths="usually the best on tables; early-stopped on held-out rows",
        hyperparameters=GradientBoostingConfig.describe(),
        overrides=(
            SettingsOverride(task="regression", settings={"learning_rate": 0.03, "num_leaves": 31}),
            # With few rows, the best threshold of a split is noise: a random one generalizes better (decision 12).
            SettingsOverride(
                rows_up_to=2_000,
                settings={"num_leaves": 7, "min_child_samples": 10, "feature_fraction": 0.6, "extra_trees": True},
            ),
            SettingsOverride(rows_up_to=500, settings={"min_child_samples": 5}),
            SettingsOverride(rows_up_to=100, settings={"min_child_samples": 2}),
            SettingsOverride(rows_over=200_000, settings={"learning_rate": 0.05, "num_leaves": 63}),
            # Each round adds one tree per class: fewer rounds bound time and size.
            SettingsOverride(
                classes_over=2,
                settings={"n_estimators": 400, "learning_rate": 0.1, "early_stopping_rounds": 30},
            ),
        ),
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
            seconds=0.7,
            seconds_per_million_cells=45,
            each_class=True,
            bytes=1_000_000,
            bytes_per_row=300,
            most_bytes=20_000_000,
            latency_us=200,
        ),
        min_rows=50,
        max_classes=50,
        training_order=30,
    ),
    no_int8="trees compare columns with thresholds: there are no weight matrices to quantize",
    log_links=("poisson", "tweedie"),
    train=with_text_features(_train),
)
