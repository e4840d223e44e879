"""Plans that fine-tune a base model."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.algorithms.hyperparameter import Range
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.base_model import Base
from pipeline.contracts.records.dataset import ColumnProfile, Dataset
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.spec.job_spec import JobSpec, Search, Training
from pipeline.planning.fine_tuning import align_columns_to_base, plan_with_base, restrict_to_base_algorithm
from pipeline.planning.plan import plan
from tests.fakes.records import dataset


def base(**changes: Any) -> Base:
    columns = (
        ColumnProfile(name="job", kind="categorical", missing=0, distinct=2, vocabulary=("clerk", "smith")),
        ColumnProfile(name="age", kind="numeric", missing=0, distinct=60),
    )
    base_model = Base(
        version="demo/adult@3",
        run="demo_adult_1",
        built_from="demo_adult_1",
        candidate="mlp",
        algorithm="mlp",
        task="classification",
        classes=("high", "low"),
        settings={"hidden": (7, 5), "dropout": 0.4, "learning_rate": 0.5, "epochs": 3},
        columns=columns,
    )
    return base_model.model_copy(update=changes)


def planned(of: Base, data: Dataset | None = None, **spec: Any) -> Plan:
    job_spec = JobSpec(training=Training(base_model="demo/adult@live", freeze=True), **spec)
    return plan_with_base(
        plan(align_columns_to_base(data or dataset(), of), restrict_to_base_algorithm(job_spec, of)), of
    )


def test_the_columns_of_the_data_are_aligned_with_those_of_the_base() -> None:
    spare = ColumnProfile(name="height", kind="numeric", missing=0, distinct=9)
    data_set = dataset()
    aligned = align_columns_to_base(data_set.model_copy(update={"columns": (*data_set.columns, spare)}), base())
    assert [column.name for column in aligned.columns] == ["job", "age"]
    assert aligned.columns[0].vocabulary == ("clerk", "smith")
    assert [(candidate.name, candidate.reason) for candidate in aligned.left_out] == [
        ("height", "the base model demo/adult@3 does not read it")
    ]
    assert aligned.warnings == ("column 'job': 1 values are unknown to the base model demo/adult@3",)
    assert align_columns_to_base(aligned, base()) == aligned


def test_wide_numbers_and_dates_get_the_centers_of_the_base() -> None:
    wide = {"kind": "numeric", "is_wide": True}
    date = {"kind": "datetime", "missing": 0, "distinct": 9}
    data_set = dataset()
    columns = (
        data_set.columns[0].model_copy(update={**wide, "median": 2e9}),
        data_set.columns[1],
        ColumnProfile(name="day", **date, median=7.0, parts=("trend", "hour")),
    )
    known = (
        base().columns[0],
        base().columns[1].model_copy(update={**wide, "median": 1e9}),
        ColumnProfile(name="day", **date, median=5.0, parts=("trend",)),
    )
    aligned = align_columns_to_base(data_set.model_copy(update={"columns": columns}), base(columns=known))
    read = {column.name: column for column in aligned.columns}
    assert (read["age"].is_wide, read["age"].median) == (True, 1e9)
    assert (read["day"].median, read["day"].parts) == (5.0, ("trend",))


def test_wide_numbers_are_read_as_float32_with_a_warning_if_the_base_does_so() -> None:
    data_set = dataset()
    wide = data_set.columns[0].model_copy(update={"is_wide": True, "median": 1e9})
    aligned = align_columns_to_base(data_set.model_copy(update={"columns": (wide, data_set.columns[1])}), base())
    assert not next(column for column in aligned.columns if column.name == "age").is_wide
    assert [warning for warning in aligned.warnings if "'age'" in warning and "float32" in warning]


def test_only_the_network_of_the_base_is_planned_with_its_architecture() -> None:
    candidates = planned(base())
    (candidate,) = candidates.candidates
    settings = candidate.settings
    assert (settings["hidden"], settings["base_model"], settings["freeze"]) == ((7, 5), "demo/adult@3", True)
    assert settings["learning_rate"] != 0.5
    assert settings["epochs"] != 3
    assert candidates.base == base()


def test_other_requested_algorithms_do_not_use_the_base_model() -> None:
    candidates = planned(base(), algorithms=("linear", "mlp"))
    assert {candidate.algorithm: candidate.settings.get("base_model") for candidate in candidates.candidates} == {
        "linear": None,
        "mlp": "demo/adult@3",
    }


def test_the_architecture_of_the_base_is_not_searched() -> None:
    space = {"hidden": ((4,), (8,)), "learning_rate": Range(low=1e-4, high=1e-2, log=True)}
    (candidate,) = planned(base(), search=Search(method="random", trials=3, space={"mlp": space})).candidates
    assert candidate.trials is not None
    assert list(candidate.trials.space) == ["learning_rate"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "regression", "classes": ()}, "is a regression, and this data set is a classification"),
        ({"algorithm": "random_forest"}, "is a random_forest, no such network is trained here"),
        (
            {"columns": (ColumnProfile(name="wage", kind="numeric", missing=0, distinct=9),)},
            r"reads the column 'wage', which this data set does not have \(it is not there\)",
        ),
        (
            {"columns": (ColumnProfile(name="age", kind="categorical", missing=0, distinct=9),)},
            "'age' as categorical, and here it is numeric",
        ),
    ],
)
def test_a_base_that_does_not_fit_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJobSpecError, match=words):
        planned(base(**changes))
