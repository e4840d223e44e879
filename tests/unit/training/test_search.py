"""Hyperparameter search: the trials, their rows, the selected settings, and the end of the search."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import pytest

from pipeline.contracts.algorithms.config import hyperparameter
from pipeline.contracts.algorithms.hyperparameter import Range, Space
from pipeline.contracts.algorithms.network_config import Epochs, NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.plan import Candidate, Trials
from pipeline.training.algorithm import (
    Algorithm,
    AlgorithmSpec,
    FittedModel,
    NoCheckpoints,
    Rows,
    RunContext,
    TrainingTask,
)
from pipeline.training.search.screening import screen_candidates
from pipeline.training.search.search import SearchResult, search
from pipeline.training.search.space import grid, sample_settings
from pipeline.training.search.trial_data import make_folds, sample
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import table
from tests.fakes.training import CPU


def _rows(target: Any) -> Rows:
    target = np.asarray(target)
    return Rows(
        num=np.arange(len(target), dtype=np.float32)[:, None], cat=np.empty((len(target), 0), np.int64), target=target
    )


def _task(labels: Any = (0, 1) * 50, **changes: Any) -> TrainingTask:
    target = np.asarray(labels)
    return TrainingTask(**{
        "classes": 2, "cardinalities": (), "train": _rows(target), "validation": _rows(target[:20]), "seed": 3,
        "metric": "accuracy", **changes,
    })  # fmt: skip


class FakeConfig(NetworkConfig):
    """``a`` is the score of a training."""

    a: Annotated[float, hyperparameter("Anything.")] = 0.5
    b: Annotated[int, hyperparameter("Anything.")] = 1
    epochs: Epochs = 8


Train = Callable[[FakeConfig, TrainingTask, RunContext], Any]


def _algorithm(train: Train = lambda config, task, context: config.a) -> Algorithm:
    """Make an algorithm whose prediction is the score of its trial."""

    def fit(config: FakeConfig, task: TrainingTask, context: RunContext) -> FittedModel:
        value = train(config, task, context)
        return FittedModel(predict=lambda rows: np.array([value]), body=lambda: pytest.fail("not exported"))

    spec = AlgorithmSpec(
        name="fake", tasks=("classification",), supported_inputs=("num",), queue="cpu", strengths="tests",
        hyperparameters=FakeConfig.describe(),
    )  # fmt: skip
    return Algorithm(spec=spec, config=FakeConfig, tolerance=0, train=fit)


def _score(fitted: FittedModel, rows: Rows) -> float:
    return float(fitted.predict(rows)[0])


def _search(space: Space, method: str = "random", algorithm: Algorithm | None = None, **options: Any) -> SearchResult:
    trials = Trials(method=method, space=space, trials=options.pop("trials", 20), cv=options.pop("cv", None))
    context = RunContext(
        **{name: options.pop(name) for name in ("deadline", "checkpoints", "clock") if name in options}
    )
    return search(algorithm or _algorithm(), {}, trials, _task(**options), context, _score)


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


UNIT: Space = {"a": Range(low=0.0, high=1.0)}


def test_a_grid_search_over_a_forests_trees_and_depth_with_five_folds(tmp_path) -> None:
    rows, reports = table(rows=240), list[str]()
    space: Space = {"n_estimators": (2, 10), "max_depth": (1, 6)}
    candidate = Candidate(
        name="forest", algorithm="random_forest", trials=Trials(method="grid", space=space, trials=1, cv=5)
    )
    trainer = Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, metric="accuracy", folds=1)
    trained = trainer.train(candidate, tmp_path, reports.append)
    assert [trial.settings for trial in trained.trials] == list(grid(space))
    assert all(trial.quality is not None and 0.4 < trial.quality <= 1 for trial in trained.trials)
    best = max(trained.trials, key=lambda trial: trial.quality or 0)
    assert best.status == "best"
    assert best.settings.items() <= trained.settings.items()
    assert best.settings["max_depth"] == 6
    assert {"trial 1 of 4, fold 1 of 5", "trial 4 of 4, fold 5 of 5"} <= set(reports)


def test_trials_of_a_regression_are_scored_in_the_units_of_the_target(tmp_path) -> None:
    rows = table("regression", rows=240)
    trials = Trials(method="grid", space={"alpha": (1.0, 1e6)}, trials=1, cv=3)
    trainer = Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, metric="rmse", folds=1)
    trained = trainer.train(Candidate(name="l", algorithm="linear", trials=trials), tmp_path, lambda text: None)
    assert [trial.status for trial in trained.trials] == ["best", "kept"]
    assert trained.trials[0].quality == pytest.approx(trained.quality["rmse"], rel=0.3)


def test_a_grid_has_the_ends_and_the_middle_of_a_range() -> None:
    settings = list(grid({"b": Range(low=1, high=100, log=True, whole=True), "a": (True, None)}))
    assert [values["b"] for values in settings] == [1, 1, 10, 10, 100, 100]
    assert [values["a"] for values in settings] == [True, None] * 3


def test_random_draws_are_seeded_and_distinct() -> None:
    space: Space = {"a": Range(low=1e-4, high=1.0, log=True), "b": Range(low=1, high=9, whole=True)}
    settings = list(sample_settings(space, 30, seed=1))
    assert settings == list(sample_settings(space, 30, seed=1)) != list(sample_settings(space, 30, seed=2))
    assert all(1e-4 <= values["a"] <= 1 and isinstance(values["b"], int) for values in settings)
    assert sum(values["a"] < 0.01 for values in settings) > 8
    assert len(list(sample_settings({"a": ((1, 2), (3,))}, 20, seed=0))) == 2


@pytest.mark.parametrize("method", ["random", "halving", "bayesian"])
def test_the_planned_settings_are_tried_first_and_the_same_seed_repeats_the_trials(method) -> None:
    space: Space = {"a": Range(low=0.0, high=1.0), "b": ((1, 2), 1)}
    first, again = _search(space, method), _search(space, method)
    assert first.trials[0].settings == {"a": 0.5, "b": 1}
    assert [trial.settings for trial in first.trials] == [trial.settings for trial in again.trials]
    assert first.config.a == max(trial.settings["a"] for trial in first.trials)
    assert first.config.epochs == 8
    assert [trial.status for trial in first.trials].count("best") == 1


def test_bayesian_search_converges_to_the_best_settings() -> None:
    hill = _algorithm(lambda config, task, context: -((config.a - 0.83) ** 2))
    result = _search(UNIT, "bayesian", hill, trials=40)
    assert abs(result.config.a - 0.83) < 0.05
    later = [abs(trial.settings["a"] - 0.83) for trial in result.trials[20:]]
    assert np.median(later) < 0.15


def test_the_trial_with_the_lower_loss_is_selected() -> None:
    assert _search({"a": (0.1, 0.9)}, "grid", metric="log_loss").config.a == 0.1


def test_halving_continues_the_best_third_of_the_trials_on_three_times_the_rows() -> None:
    row_counts = []

    def train(config: FakeConfig, task: TrainingTask, context: RunContext) -> float:
        row_counts.append(len(task.train))
        return config.a

    result = _search(UNIT, "halving", _algorithm(train), trials=9, labels=(0, 1) * 1350)
    assert row_counts == [300] * 9 + [900] * 3 + [2700]
    assert [trial.rung for trial in result.trials] == [0] * 9 + [1] * 3 + [2]
    assert result.trials[-1].status == "best"
    dropped = [trial for trial in result.trials if trial.status == "dropped"]
    assert len(dropped) == 8
    assert all("not among the best of rung" in trial.reason for trial in dropped)


def test_halving_on_few_rows_has_one_rung() -> None:
    assert {trial.rung for trial in _search(UNIT, "halving", trials=9).trials} == {0}


def test_a_sample_keeps_the_order_and_a_row_of_every_class() -> None:
    rows = _rows([0] * 90 + [1] * 9 + [2])
    sampled = sample(rows, 1 / 3, classes=3, seed=0)
    assert np.bincount(sampled.target).tolist() == [30, 3, 1]
    assert (np.diff(sampled.num[:, 0]) > 0).all()


def test_every_fold_has_the_frequent_classes_and_their_rows_are_held_out_once() -> None:
    task = _task([0] * 90 + [1] * 7 + [2], classes=3)
    folds, note = make_folds(task, 5)
    assert (len(folds), note) == (5, "")
    assert all(set(fold.train.target) == {0, 1, 2} for fold in folds)
    assert all({0, 1} <= set(fold.validation.target) for fold in folds)
    held_out = np.concatenate([fold.validation.num[:, 0] for fold in folds])
    assert sorted(held_out) == list(range(97))  # except the only row of the third class


def test_fewer_folds_are_used_and_reported_if_some_would_have_one_class() -> None:
    folds, note = make_folds(_task([0] * 97 + [1] * 3), 10)
    assert len(folds) == 3
    assert "10 would leave folds with rows of one class" in note
    folds, note = make_folds(_task([0] * 99 + [1]), 10)
    assert len(folds) == 1
    assert "compared on the validation rows" in note
    assert _search(UNIT, cv=10, labels=[0] * 99 + [1], trials=2).notes == (note,)


def test_a_failed_trial_is_recorded_and_the_candidate_fails_if_all_trials_fail() -> None:
    def train(config: FakeConfig, task: TrainingTask, context: RunContext) -> float:
        if config.a == 1:
            raise CandidateFailedError("too wide")
        if config.a == 2:
            raise ValueError("a secret")
        return math.nan if config.a == 3 else 0.1

    result = _search({"a": (1, 2, 3, 4)}, "grid", _algorithm(train))
    assert [trial.status for trial in result.trials] == ["failed"] * 3 + ["best"]
    assert [trial.reason for trial in result.trials[:3]] == [
        "too wide",
        "ValueError",
        "its score is not a finite number",
    ]
    with pytest.raises(CandidateFailedError, match="every trial failed, the first because: too wide"):
        _search({"a": (1, 2)}, "grid", _algorithm(train))


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(CandidateFailedError, match="no setting 'epoch': did you mean 'epochs'"):
        _search({"epoch": (1, 2)}, "grid")


def test_a_search_that_runs_out_of_time_takes_the_best_trial_and_leaves_time_to_train() -> None:
    clock = _Clock()

    def train(config: FakeConfig, task: TrainingTask, context: RunContext) -> float:
        clock.now += 5
        return config.a

    result = _search(UNIT, "random", _algorithm(train), deadline=142.0, clock=clock)
    assert [trial.seconds for trial in result.trials] == [5] * 7
    assert 142 - clock.now == 7, "enough time to train with the best settings"
    assert result.config.a == max(trial.settings["a"] for trial in result.trials)
    assert "search time ran out after" in result.notes[0]


def test_a_search_uses_at_most_its_share_of_the_time() -> None:
    clock = _Clock()

    def train(config: FakeConfig, task: TrainingTask, context: RunContext) -> float:
        clock.now += 3
        return config.a

    trials = Trials(method="random", space=UNIT, trials=500, share=0.02)
    search(_algorithm(train), {}, trials, _task(), RunContext(deadline=2100.0, clock=clock), _score)
    assert clock.now == 100 + 12 * 3, "the share is 40 s, of which 3 s are left for a training on all rows"


def test_a_search_without_time_uses_the_planned_settings_and_reports_that() -> None:
    result = _search(UNIT, deadline=99.0, clock=_Clock())
    assert (result.trials, result.config.a) == ((), 0.5)
    assert "no time for a single trial" in result.notes[0]


def test_a_trial_behind_in_every_fold_is_stopped_except_in_a_grid_search() -> None:
    space: Space = {"a": (0.5, 0.1, 0.9)}
    raced = _search(space, "random", cv=6)
    stopped = [trial for trial in raced.trials if trial.status == "dropped"]
    assert [trial.settings["a"] for trial in stopped] == [0.1]
    best_first = _search({"a": (0.5, 0.1)}, "random", cv=6)
    assert [trial.reason for trial in best_first.trials[1:]] == [
        "stopped after 3 of 6 folds: worse than the best trial in each of them"
    ]
    assert all(trial.status != "dropped" for trial in _search(space, "grid", cv=6).trials)


def test_a_trial_whose_loss_is_behind_half_of_the_trials_is_stopped() -> None:
    def train(config: FakeConfig, task: TrainingTask, context: RunContext) -> float:
        for epoch in range(1, 9):
            context.watch({"epoch": epoch, "validation_loss": (1.5 - config.a) / epoch})
        return config.a

    result = _search(UNIT, "random", _algorithm(train), trials=20)
    stopped = [trial for trial in result.trials if "its loss was worse" in trial.reason]
    assert stopped
    assert result.config.a == max(trial.settings["a"] for trial in result.trials)


class _MemoryCheckpoints(NoCheckpoints):
    seconds = 0.0
    state: bytes | None = None

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state


@pytest.mark.parametrize("method", ["random", "halving", "bayesian"])
def test_a_later_attempt_resumes_the_search_and_then_the_training(method) -> None:
    trained, checkpoints = [], _MemoryCheckpoints()

    def train(config: FakeConfig, task: TrainingTask, context: RunContext) -> float:
        trained.append(config.a)
        if len(trained) == 6:
            raise KeyboardInterrupt
        return config.a

    algorithm, changes = _algorithm(train), {"checkpoints": checkpoints, "labels": (0, 1) * 1350, "trials": 9}
    with pytest.raises(KeyboardInterrupt):
        _search(UNIT, method, algorithm, **changes)
    before = len(json.loads((checkpoints.state or b"").partition(b"\n")[0]))
    result = _search(UNIT, method, algorithm, **changes)
    uninterrupted = _search(UNIT, method, labels=changes["labels"], trials=9)
    assert before == 5
    assert len(trained) == len(uninterrupted.trials) + 1
    assert [replaced(trial) for trial in result.trials] == [replaced(trial) for trial in uninterrupted.trials]
    assert result.checkpoints.load() is None
    result.checkpoints.save(b"the\nnetwork")
    assert _search(UNIT, method, algorithm, **changes).checkpoints.load() == b"the\nnetwork"
    assert len(trained) == len(uninterrupted.trials) + 1


def test_a_damaged_search_checkpoint_is_ignored() -> None:
    checkpoints = _MemoryCheckpoints()
    checkpoints.state = b"\xff{broken\nstate"
    assert len(_search(UNIT, trials=3, checkpoints=checkpoints).trials) == 3


def test_a_network_search_stops_trials_by_their_curves_and_trains_with_the_best_settings(tmp_path) -> None:
    rows, points = table(rows=240), list[Mapping[str, float]]()
    trials = Trials(method="random", space={"learning_rate": Range(low=1e-6, high=1e-1, log=True)}, trials=10)
    trainer = Trainer(
        dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, metric="accuracy", folds=1,
        watch=lambda candidate, point: points.append(point),
    )  # fmt: skip
    settings = {"epochs": 4, "hidden": (8,), "batch_size": 64}
    trained = trainer.train(
        Candidate(name="n", algorithm="mlp", settings=settings, trials=trials), tmp_path, lambda text: None
    )
    assert any("its loss was worse than that of half of the trials" in trial.reason for trial in trained.trials)
    best = next(trial for trial in trained.trials if trial.status == "best")
    assert best.settings["learning_rate"] > 1e-3
    assert trained.settings["learning_rate"] == best.settings["learning_rate"]
    assert trained.quality["accuracy"] == pytest.approx(best.quality)
    assert len(points) <= 4  # only the last training reports its curve


def replaced(trial: Any) -> Any:
    return trial.model_copy(update={"seconds": 0.0})


def _screen(qualities: Mapping[str, float], half: float) -> Mapping[str, str]:
    def judge(fitted: FittedModel, rows: Rows) -> tuple[float, tuple[float, float]]:
        value = float(fitted.predict(rows)[0])
        return value, (value - half, value + half)

    def train(config: FakeConfig, task: TrainingTask, context: RunContext) -> float:
        assert len(task.train) <= 20
        if config.a < 0:
            raise ValueError
        return config.a

    candidates = [
        (Candidate(name=n, algorithm="fake", settings={"a": q}), _algorithm(train)) for n, q in qualities.items()
    ]
    return screen_candidates(candidates, _task(), RunContext(), 20, judge)


def test_screening_drops_candidates_far_behind_but_keeps_two() -> None:
    qualities = {"best": 0.9, "behind": 0.4, "far": 0.3, "broken": -1}
    assert _screen(qualities, half=0.2) == {}
    (name,) = dropped = _screen(qualities, half=0.02)
    assert name == "far"
    assert "on 20 rows its accuracy was 0.3, and that of the best candidate (best) was 0.9" in dropped["far"]
