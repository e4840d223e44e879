"""Searches and limits in plans."""

from __future__ import annotations

import pytest

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.algorithms.hyperparameter import Range
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.plan import Candidate, Plan
from pipeline.contracts.spec.job_spec import JobSpec, Limits, Parallel, Privacy, Training, parse_job_spec
from pipeline.planning.estimates import bytes_of, count_trainings, latency_of, minutes_for, seconds_of
from pipeline.planning.jobs import ONE_JOB_CELLS, PlannedCandidate, fits_one_job, pack_jobs
from pipeline.planning.plan import plan


def _dataset(train: int = 5_000, columns: int = 10, classes: int = 2) -> Dataset:
    return Dataset(
        task="classification" if classes else "regression",
        target="y",
        columns=tuple(ColumnProfile(name=f"x{n}", kind="numeric", missing=0, distinct=9) for n in range(columns)),
        classes=tuple(f"c{number}" for number in range(classes)),
        class_rows=tuple(train // classes for _ in range(classes)),
        rows=SplitRows(train=train, validation=10, test=10),
        sha256="",
    )


def _searched(text: str) -> Plan:
    return plan(_dataset(), parse_job_spec(text.encode()))


GRID = """
algorithms: [random_forest, linear]
search: {method: grid, cv: 5, space: {random_forest: {n_estimators: [10, 20], max_depth: {low: 4, high: 12}}}}
"""


def test_a_given_space_is_searched_only_for_its_algorithm() -> None:
    forest, linear = sorted(_searched(GRID).candidates, key=lambda candidate: candidate.name, reverse=True)
    assert forest.trials is not None
    assert (forest.trials.method, forest.trials.cv) == ("grid", 5)
    assert forest.trials.space == {"n_estimators": (10, 20), "max_depth": Range(low=4, high=12, whole=True)}
    assert forest.reason.endswith("grid search over n_estimators, max_depth in 5 folds")
    assert linear.trials is None


def test_the_default_spaces_are_searched_without_fixed_settings_if_no_space_is_given() -> None:
    planned = _searched("{search: {method: bayesian, trials: 7}, training: {dropout: 0.2}}")
    spaces = {candidate.algorithm: candidate.trials.space for candidate in planned.candidates if candidate.trials}
    assert spaces["random_forest"] == {
        field.name: field.search for field in catalog()["random_forest"].hyperparameters if field.search is not None
    }
    assert set(spaces["linear"]) == {"C"}
    assert set(spaces["mlp"]) == {field.name for field in catalog()["mlp"].hyperparameters if field.search} - {
        "dropout"
    }
    boosting = next(candidate.trials for candidate in planned.candidates if candidate.algorithm == "gradient_boosting")
    assert boosting is not None
    assert boosting.cheaper == {}


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ("method: grid, space: {random_forest: {max_deepth: [3]}}", "'max_deepth': did you mean 'max_depth'?"),
        ("method: grid, space: {random_forests: {}}", "'random_forests': did you mean 'random_forest'?"),
        ("method: grid, space: {gaussian_mixture: {clusters: [3]}}", "is not tried here|unknown algorithm"),
        ("method: gird", "unknown value 'gird': did you mean 'grid'?"),
        ("method: random, space: {mlp: {optimizer: [3]}}", "the value is a whole number: one of gd, .* is expected"),
        ("method: random, space: {mlp: {epochs: [2.5]}}", "epochs: the value is a number: a whole number of"),
        ("method: random, space: {mlp: {hidden: [[ten]]}}", "hidden: the value is a list .*each a whole number"),
        ("method: random, space: {mlp: {optimizer: {low: 1, high: 2}}}", "only numbers have a range: a list is exp"),
        ("method: random, space: {mlp: {dropout: {low: 0.5, high: 0.1}}}", "low is 0.5 and high 0.1: low < high"),
        ("method: random, space: {mlp: {dropout: {low: 0, high: 1, log: true}}}", "a range with log starts above 0"),
        ("method: grid, space: {linear: {alpha: [1]}}", "linear.alpha: it matters only to regression"),
        ("method: none, space: {mlp: {dropout: [0.1]}}", "method is none: grid, random, halving or bayesian"),
    ],
)  # fmt: skip
def test_an_invalid_search_is_refused_with_the_reason(search: str, sentence: str) -> None:
    with pytest.raises(InvalidJobSpecError, match=sentence.replace("?", r"\?")):
        _searched(f"search: {{{search}}}")


def test_the_searches_of_one_job_share_its_time() -> None:
    planned = _searched("{algorithms: [linear, random_forest, gradient_boosting, mlp], search: {method: random}}")
    shares = {candidate.name: candidate.trials.share for candidate in planned.candidates if candidate.trials}
    assert shares == {"linear": 1 / 3, "random_forest": 1 / 2, "gradient_boosting": 1, "mlp": 1}


def test_a_search_has_no_folds_for_a_split_by_time_and_has_folds_for_groups() -> None:
    planned = _searched("{search: {method: random, cv: 5}, split: {by: time, column: when}}")
    assert {candidate.trials.cv for candidate in planned.candidates if candidate.trials} == {None}
    assert "a split by time forbids" in planned.notes[0]
    grouped = _searched("{search: {method: random, cv: 5}, split: {by: group, column: who}}")
    assert {candidate.trials.cv for candidate in grouped.candidates if candidate.trials} == {5}


def test_a_search_over_several_nodes_is_refused() -> None:
    with pytest.raises(InvalidJobSpecError, match="mlp is searched on one machine, or trained by several"):
        _searched("{algorithms: [mlp], search: {method: random}, training: {parallel: {nodes: 2}}}")


def test_a_grid_with_too_many_settings_is_refused() -> None:
    values = list(range(1, 41))
    with pytest.raises(InvalidJobSpecError, match="a grid of 1,600 settings: at most 1,000 are expected"):
        _searched(
            f"search: {{method: grid, space: {{random_forest: {{n_estimators: {values}, max_depth: {values}}}}}}}"
        )


def test_an_algorithm_estimated_to_exceed_a_limit_is_skipped_with_the_estimate() -> None:
    planned = plan(_dataset(train=50_000), JobSpec(limits=Limits(max_bytes=50_000)))
    reasons = {candidate.algorithm: candidate.reason for candidate in planned.skipped}
    assert "limits.max_bytes is 50,000" in reasons["random_forest"]
    assert "linear" in {candidate.algorithm for candidate in planned.candidates}


def test_a_requested_algorithm_is_planned_whatever_the_estimate() -> None:
    spec = JobSpec(algorithms=("random_forest",), limits=Limits(max_bytes=50_000))
    assert [candidate.name for candidate in plan(_dataset(train=50_000), spec).candidates] == ["random_forest"]


def test_algorithms_that_take_too_long_are_skipped_but_one_always_stays() -> None:
    short = plan(_dataset(train=3_000_000, columns=50), JobSpec(limits=Limits(minutes=3)))
    assert (
        "minutes; its job has 3"
        in {candidate.algorithm: candidate.reason for candidate in short.skipped}["gradient_boosting"]
    )
    none = plan(_dataset(train=50_000_000, columns=200), JobSpec(limits=Limits(minutes=0.1)))
    known = [candidate for candidate in none.candidates if catalog()[candidate.algorithm].cost]
    assert len(known) <= 1
    assert none.candidates
    if known:
        assert "is tried anyway" in none.notes[0]


def test_a_limit_of_dollars_becomes_minutes_of_each_job() -> None:
    assert minutes_for(Limits(minutes=60), ["cpu", "gpu"]) == 60
    assert minutes_for(Limits(minutes=60, dollars=100), ["cpu", "gpu"]) == 60
    assert minutes_for(Limits(minutes=60, dollars=0.5), ["cpu", "gpu"]) == pytest.approx(60 * 0.5 / 1.004 - 2)
    planned = plan(_dataset(train=1_000_000, columns=40), JobSpec(limits=Limits(dollars=0.5)))
    assert [job.minutes for job in planned.jobs] == [pytest.approx(25.76, abs=0.01)] * 2
    assert planned.ensemble is not None
    assert planned.ensemble.minutes == pytest.approx(25.76 / 4, abs=0.01)
    assert "the list prices of us-east-1" in planned.notes[-1]


def test_few_dollars_put_all_candidates_on_one_cpu_machine() -> None:
    heavy = [_planned("a", 10), _planned("b", 5_000, "gpu")]
    jobs, notes = pack_jobs(heavy, JobSpec(limits=Limits(dollars=0.05)), rows=100)
    assert [(job.name, job.queue, job.candidates) for job in jobs] == [("cpu", "cpu", ("a", "b"))]
    assert "no time for a GPU job" in notes[0]
    planned = plan(_dataset(), JobSpec(limits=Limits(dollars=0.05)))
    assert [(job.name, job.queue) for job in planned.jobs] == [("cpu", "cpu")]
    assert 6 < (planned.jobs[0].minutes or 0) < 15


def test_the_most_expensive_candidates_are_skipped_to_keep_the_dollars() -> None:
    dataset = _dataset(train=500_000, columns=40)
    all_of_them = {candidate.name for candidate in plan(dataset, JobSpec()).candidates}
    short = plan(dataset, JobSpec(limits=Limits(dollars=0.05)))
    left_out = {
        candidate.algorithm: candidate.reason
        for candidate in short.skipped
        if "limits.dollars is 0.05" in candidate.reason
    }
    assert left_out
    assert all("estimated at $" in reason for reason in left_out.values())
    assert {candidate.name for candidate in short.candidates} == all_of_them - set(left_out) != set()


@pytest.mark.parametrize("algorithms", [None, ("linear", "mlp")])
def test_a_limit_of_dollars_below_the_start_of_a_run_is_refused(algorithms: tuple[str, ...] | None) -> None:
    spec = JobSpec(algorithms=algorithms, limits=Limits(dollars=0.001))
    with pytest.raises(
        InvalidJobSpecError, match=r"limits\.dollars is 0\.001, and the start .*, is estimated at \$0\.0036"
    ):
        plan(_dataset(), spec)


def test_requested_algorithms_are_planned_for_the_minutes_that_the_dollars_pay() -> None:
    spec = JobSpec(algorithms=("linear", "gradient_boosting"), limits=Limits(dollars=0.05))
    planned = plan(_dataset(train=2_000_000, columns=40), spec)
    assert [candidate.name for candidate in planned.candidates] == ["linear", "gradient_boosting"]
    (job,) = planned.jobs
    assert job.minutes == pytest.approx((60 * 0.05 / 0.252 - 4) / 1.25)


@pytest.mark.parametrize("dollars", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("rows", [500, 20_000, 500_000])
def test_no_estimate_exceeds_the_limit_of_dollars(rows: int, dollars: float) -> None:
    estimate = plan(_dataset(train=rows), JobSpec(limits=Limits(dollars=dollars))).estimate
    assert estimate is not None
    assert estimate.dollars <= dollars + 1e-9


def _planned(name: str, seconds: float | None, queue: str = "cpu") -> PlannedCandidate:
    return PlannedCandidate(candidate=Candidate(name=name, algorithm=name), queue=queue, seconds=seconds)


def test_heavy_candidates_get_parallel_jobs_if_that_saves_time() -> None:
    light = [_planned("a", 10), _planned("b", 100), _planned("c", None), _planned("d", 5_000, "gpu")]
    assert [job.name for job in pack_jobs(light, JobSpec(), rows=100)[0]] == ["cpu", "gpu"]
    heavy = [_planned("a", 10), _planned("b", 900), _planned("c", 800), _planned("d", 50)]
    jobs, _ = pack_jobs(heavy, JobSpec(), rows=100)
    assert [(job.name, job.candidates) for job in jobs] == [("cpu", ("a", "c", "d")), ("cpu_2", ("b",))]
    assert len(pack_jobs([_planned(str(n), 1e5) for n in range(9)], JobSpec(), rows=100)[0]) == 4
    assert len(pack_jobs(heavy, JobSpec(limits=Limits(dollars=9)), rows=100)[0]) == 1


def test_a_small_plan_is_one_job_and_a_larger_one_is_not() -> None:
    small = plan(_dataset(train=5_000, columns=14), JobSpec())
    assert small.one_job
    (job,) = small.jobs
    assert job.candidates == tuple(candidate.name for candidate in small.candidates)
    assert not plan(_dataset(train=ONE_JOB_CELLS // 10 + 1), JobSpec(algorithms=("linear",))).one_job
    assert not plan(_dataset(train=60_000, classes=5), JobSpec()).one_job  # because of its estimated seconds


def test_the_number_of_folds_decides_whether_a_plan_is_one_job() -> None:
    algorithms = ("random_forest", "extra_trees", "mlp")
    wide = _dataset(train=20_000, columns=49)
    assert plan(wide, JobSpec(algorithms=algorithms, folds=1)).one_job
    assert not plan(wide, JobSpec(algorithms=algorithms)).one_job


def test_trainings_are_counted_once_per_fold_or_once_for_a_single_model() -> None:
    mlp, code = catalog()["mlp"], catalog()["model_py"]
    assert count_trainings(mlp, _dataset(), JobSpec()) == 5
    assert count_trainings(mlp, _dataset(), JobSpec(folds=3)) == 3
    assert count_trainings(mlp, _dataset(), JobSpec(serve="single")) == 6
    assert count_trainings(code, _dataset(), JobSpec()) == 1
    assert count_trainings(mlp, _dataset(train=200_000), JobSpec()) == 1
    assert count_trainings(mlp, _dataset(), JobSpec(training=Training(privacy=Privacy(epsilon=3)))) == 1


def test_settings_of_earlier_versions_are_reported_as_deprecated() -> None:
    spec = JobSpec(cross_validate=True, refit=False, settings={"gradient_boosting": {"folds": 3}})
    notes = "\n".join(plan(_dataset(), spec).notes)
    for name in ("cross_validate is deprecated", "refit is deprecated", "settings.gradient_boosting.folds is deprec"):
        assert name in notes


def test_user_code_several_nodes_and_unknown_estimates_do_not_fit_one_job() -> None:
    nodes = JobSpec(training=Training(parallel=Parallel(strategy="ddp", nodes=2)))
    assert fits_one_job([_planned("a", 1)], _dataset(), JobSpec())
    assert not fits_one_job([_planned("a", 1), _planned("code", 1, "code")], _dataset(), JobSpec())
    assert not fits_one_job([_planned("a", None)], _dataset(), JobSpec())
    assert not fits_one_job([_planned("a", 1, "gpu")], _dataset(), nodes)


@pytest.mark.parametrize(
    ("seconds", "jobs"),
    [
        ((5.0, 20.0), [("cpu", "cpu", ("first", "n0", "n1", "last"))]),
        ((None, None), [("cpu", "cpu", ("first", "n0", "n1", "last"))]),
        ((100.0, 200.0), [("cpu", "cpu", ("first", "last")), ("networks", "cpu", ("n0", "n1"))]),
        ((900.0, 1_000.0), [("cpu", "cpu", ("first", "last")), ("gpu", "gpu", ("n0", "n1"))]),
    ],
)
def test_networks_get_a_gpu_job_only_if_that_saves_time(
    seconds: tuple[float | None, ...], jobs: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    networks = [_planned(f"n{number}", estimate, "gpu") for number, estimate in enumerate(seconds)]
    planned = [_planned("first", 10), *networks, _planned("last", 10)]
    assert [(job.name, job.queue, job.candidates) for job in pack_jobs(planned, JobSpec(), rows=100)[0]] == jobs


def test_several_requested_nodes_get_the_gpu_queue_whatever_the_estimate() -> None:
    spec = JobSpec(training=Training(parallel=Parallel(strategy="ddp", nodes=2)))
    (job,), _ = pack_jobs([_planned("n", 5.0, "gpu")], spec, rows=100)
    assert (job.queue, job.nodes) == ("gpu", 2)


def test_many_candidates_are_screened_on_few_rows_unless_requested_by_name() -> None:
    four = [_planned(name, 1) for name in ("linear", "random_forest", "gradient_boosting", "mlp")]
    assert pack_jobs(four, JobSpec(), rows=50_000)[0][0].audition_rows == 4_000
    assert pack_jobs(four, JobSpec(), rows=5_000)[0][0].audition_rows == 0
    assert pack_jobs(four[:3], JobSpec(), rows=50_000)[0][0].audition_rows == 0
    short = JobSpec(limits=Limits(minutes=0.05))
    assert pack_jobs(four[:3], short, rows=50_000)[0][0].audition_rows == 4_000
    assert pack_jobs(four[:2], short, rows=50_000)[0][0].audition_rows == 0
    requested = JobSpec(algorithms=("linear", "random_forest", "gradient_boosting", "mlp"))
    assert pack_jobs(four, requested, rows=50_000)[0][0].audition_rows == 0


def test_estimates_grow_with_the_data_and_the_search() -> None:
    cost = Cost(
        measured="", seconds=1, seconds_per_million_cells=2, each_class=True, bytes=10, bytes_per_row=1, most_bytes=40,
        latency_us=1,
    )  # fmt: skip
    declared = AlgorithmSpec(
        name="a",
        tasks=("classification",),
        supported_inputs=("num",),
        queue="cpu",
        strengths="",
        hyperparameters=(),
        cost=cost,
    )
    assert seconds_of(declared, _dataset(train=500_000, columns=2), JobSpec()) == 3
    assert seconds_of(declared, _dataset(train=500_000, columns=2, classes=5), JobSpec()) == 11
    trials = plan(_dataset(), parse_job_spec(GRID.encode())).candidates
    searched = next(candidate.trials for candidate in trials if candidate.trials)
    assert seconds_of(declared, _dataset(train=500_000, columns=2), JobSpec(), searched) == 3 * (1 + 6 * 5)
    assert [bytes_of(declared, _dataset(train=rows)) for rows in (0, 10, 1000)] == [10, 20, 40]


def test_the_latency_estimate_grows_with_the_columns() -> None:
    linear = catalog()["linear"]
    narrow, wide = (latency_of(linear, _dataset(columns=columns)) for columns in (10, 2_010))
    assert narrow is not None
    assert wide is not None
    assert wide - narrow == pytest.approx(1_800)


def test_algorithms_with_too_many_cells_are_planned_only_by_name() -> None:
    wide = _dataset(train=2_000, columns=1_000)
    reasons = {candidate.algorithm: candidate.reason for candidate in plan(wide, JobSpec()).skipped}
    for algorithm in ("kernel_ridge", "tabm"):
        assert reasons[algorithm] == "2,000,000 cells (training rows times columns); its maximum is 600,000"
    named = plan(wide, parse_job_spec(b"algorithms: [tabm]"))
    assert [candidate.algorithm for candidate in named.candidates] == ["tabm"]


def test_ten_times_as_many_columns_beyond_a_hundred_take_about_three_times_as_long() -> None:
    boosting = catalog()["gradient_boosting"]
    assert boosting.cost is not None
    hundred, thousand = (seconds_of(boosting, _dataset(columns=columns), JobSpec(folds=1)) for columns in (100, 1_000))
    assert hundred is not None
    assert thousand is not None
    assert thousand - boosting.cost.seconds == pytest.approx(10**0.5 * (hundred - boosting.cost.seconds))
