"""Several targets: columns named by train.yaml or --target, and cells that list labels."""

from __future__ import annotations

import io
import json
import random

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidJobSpecError, InvalidTargetError
from pipeline.contracts.records.dataset import Dataset
from pipeline.validation.columns.label_lists import LISTS, find_separator, split_labels
from tests.fakes.whole_way import csv

ROWS = 200


@pytest.fixture
def columns() -> dict[str, list[object]]:
    rng = random.Random(0)
    x = [round(rng.gauss(0, 1), 3) for _ in range(ROWS)]
    return {
        "x": x,
        "y": [round(2 * value, 3) for value in x],
        "z": [round(-100 * value + rng.random(), 3) for value in x],
        "hot": [int(value > 0) for value in x],
        "wet": [("yes", "no")[value > 0.4] for value in x],
        "color": [rng.choice(["red", "green", "blue"]) for _ in x],
        "tags": ["|".join(sorted(rng.sample(["red", "new", "big", "odd"], rng.randint(1, 3)))) for _ in x],
    }


def pick(columns: dict[str, list[object]], *names: str) -> bytes:
    return csv({name: columns[name] for name in names})


@pytest.mark.parametrize(
    ("spec", "target"), [("target: [y, z]", ""), ("targets: [y, z]", ""), (None, "y,z"), (None, " y , z ")]
)
def test_numeric_target_columns_give_a_regression_of_several_targets(drop, columns, spec, target) -> None:
    dropped = drop("a.csv", pick(columns, "x", "y", "z"), spec=spec, target=target)
    dataset: Dataset = dropped.dataset
    assert (dataset.task, dataset.target, dataset.targets, dataset.classes) == ("regression", "y, z", ("y", "z"), ())
    assert [column.name for column in dataset.columns] == ["x"]  # the other target is not a feature
    for split in dropped.splits.values():
        assert [split[name].dtype for name in ("y", "z")] == [pl.Float64] * 2
    assert dataset.of_target(1).target == "z"
    assert dataset.of_target(1).targets == ()


def test_yes_and_no_target_columns_give_a_classification_of_several_labels(drop, columns) -> None:
    dropped = drop("a.csv", pick(columns, "x", "hot", "wet"), spec="target: [hot, wet]")
    dataset: Dataset = dropped.dataset
    assert (dataset.task, dataset.classes, dataset.targets) == ("classification", ("hot", "wet"), ("hot", "wet"))
    train = dropped.split("train")
    assert set(train["hot"]) == {"no", "yes"}
    assert dataset.class_rows == tuple(int((train[name] == "yes").sum()) for name in ("hot", "wet"))
    single_target = dataset.of_target(0)
    assert (single_target.classes, single_target.positive) == (("no", "yes"), "yes")
    assert sum(single_target.class_rows) == train.height


def test_a_column_whose_name_has_a_comma_is_one_target(drop, columns) -> None:
    body = csv({"x": columns["x"], "y": columns["y"], "y,z": columns["z"]})
    dataset = drop("a.csv", body, target="y,z").dataset
    assert (dataset.target, dataset.targets) == ("y,z", ())


@pytest.mark.parametrize(
    ("names", "spec", "sentence"),
    [
        (("y", "wet"), "", "'y' \\(numbers\\), 'wet' \\(yes and no\\): train one model for each target$"),
        (("y", "hot"), "", "`task: regression` learns all of them as numbers"),
        (("hot", "color"), "", "'color' \\(text of 3 values\\)"),
        (("hot", "color"), "task: classification", "'color' holds text of 3 values: 0 and 1, true and false"),
        (("y", "color"), "task: regression", "'color' does not hold numbers"),
        (("y", "w"), "", "there is no target column 'w'"),
    ],
)
def test_targets_that_cannot_be_learned_together_are_refused(drop, columns, names, spec, sentence) -> None:
    with pytest.raises(InvalidTargetError, match=sentence):
        drop("a.csv", pick(columns, "x", "y", "hot", "wet", "color"), spec=f"target: [{', '.join(names)}]\n{spec}")


def test_a_binary_target_is_learned_as_numbers_if_the_task_is_regression(drop, columns) -> None:
    spec = "target: [y, hot]\ntask: regression"
    dataset = drop("a.csv", pick(columns, "x", "y", "hot"), spec=spec).dataset
    assert (dataset.task, dataset.targets) == ("regression", ("y", "hot"))


def test_a_list_of_targets_conflicts_with_drop_and_with_clustering(drop, columns) -> None:
    with pytest.raises(InvalidJobSpecError, match="drop: column 'z' is the target, which must be kept"):
        drop("a.csv", pick(columns, "x", "y", "z"), spec="target: [y, z]\ndrop: [z]")
    with pytest.raises(InvalidJobSpecError, match="clustering has no target"):
        drop("a.csv", pick(columns, "x", "y", "z"), spec="target: [y, z]\ntask: clustering")


def test_a_target_from_the_command_line_overrides_the_list_of_train_yaml(drop, columns) -> None:
    dropped = drop("a.csv", pick(columns, "x", "y", "z"), spec="target: [y, z]", target="z")
    assert (dropped.dataset.target, dropped.dataset.targets) == ("z", ())
    assert "not 'y, z', as train.yaml says" in dropped.dataset.warnings[0]


def test_a_row_that_lacks_one_of_the_targets_is_rejected(drop, columns) -> None:
    columns["z"][5] = None
    dropped = drop("a.csv", pick(columns, "x", "y", "z"), spec="target: [y, z]")
    assert dropped.dataset.set_aside == 1
    assert dropped.set_aside[0]["reason"] == "no value in the target 'y, z' that can be learned"


def test_cells_that_list_labels_are_recognized_and_reported(drop, columns) -> None:
    dropped = drop("a.csv", pick(columns, "x", "tags"))
    dataset = dropped.dataset
    assert (dataset.task, dataset.target, dataset.classes) == ("classification", "tags", ("big", "new", "odd", "red"))
    assert dataset.targets == ("tags: big", "tags: new", "tags: odd", "tags: red")
    (label_warning,) = [warning for warning in dataset.warnings if "list labels" in warning]
    assert "learned as 4 labels that a row has or does not have; `labels: single` in train.yaml" in label_warning
    assert label_warning in dataset.hints  # hints are shown while the run is watched
    rows = pl.concat(dropped.splits.values(), how="diagonal")
    assert rows.height == ROWS
    assert int((rows["tags: big"] == "yes").sum()) == sum("big" in str(tags) for tags in columns["tags"])
    report = json.loads(dropped.artifacts.get(next(k for k in dropped.artifacts.keys("") if k.endswith("report.json"))))
    assert (report["target"], report["targets"]) == ("tags", ["tags"])


def test_labels_single_makes_each_combination_a_class(drop, columns) -> None:
    dataset = drop("a.csv", pick(columns, "x", "tags"), spec="labels: single").dataset
    assert dataset.targets == ()
    assert "big|new" in dataset.classes


def test_labels_with_too_few_rows_are_dropped_and_reported(drop, columns) -> None:
    columns["tags"][:2] = ["rare|red", "rare"]
    dataset = drop("a.csv", pick(columns, "x", "tags")).dataset
    assert "rare" not in dataset.classes
    assert any("1 label of the target 'tags'" in warning and "'rare'" in warning for warning in dataset.warnings)


def test_labels_several_is_refused_if_no_cell_lists_labels(drop, columns) -> None:
    with pytest.raises(InvalidTargetError, match="labels: several: cells of the target 'color' list no labels"):
        drop("a.csv", pick(columns, "x", "color"), spec="labels: several")


def test_a_list_column_of_a_parquet_file_gives_labels(drop, columns) -> None:
    stream = io.BytesIO()
    lists = [str(tags).split("|") for tags in columns["tags"]]
    pl.DataFrame({"x": columns["x"], "tags": lists}).write_parquet(stream)
    assert drop("a.parquet", stream.getvalue()).dataset.classes == ("big", "new", "odd", "red")


def test_a_test_file_must_have_all_targets(drop, columns) -> None:
    body = pick(columns, "x", "y", "z")
    dropped = drop("a.csv", body, spec="target: [y, z]", companions={"test.csv": body})
    assert dropped.dataset.rows.test == ROWS
    assert dropped.split("test").columns == ["x", "y", "z"]
    with pytest.raises(InvalidTargetError, match=r"'test.csv' has no column 'z', the target"):
        drop("a.csv", body, spec="target: [y, z]", companions={"test.csv": pick(columns, "x", "y")})


def test_every_label_has_a_training_row(drop) -> None:
    rng = random.Random(0)
    tags = [rng.choice(["a", "b", "a|b"]) for _ in range(97)] + ["a|rare", "rare", "b|rare"]
    dataset = drop("a.csv", csv({"x": [rng.random() for _ in tags], "tags": tags})).dataset
    assert dict(zip(dataset.classes, dataset.class_rows, strict=True))["rare"] >= 1


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["a|b", "a", "b|c", "c|a|b"], "|"),
        (["a; b", "a", "b; c", "c; a; b"], ";"),
        (["a, b", "a", "b, c", "c, a, b"], ","),
        (['["a", "b"]', '["a"]', "[]", "['b']"], LISTS),
        (["low", "many", "low|many", "no"], "|"),
        (["Online", "New York, NY", "Los Angeles, CA", "San Diego, CA"], ""),
        (["Paris, France", "Lyon, France", "Rome, Italy"] * 9, ""),
        (["sports;football", "sports;tennis", "news;local", "news;world"], ""),
        (["Smith, John", "Miller, Ann", "Brown, Eve", "Wood, Al"], ""),
        (["1,5", "2,5", "3", "4,5", "5,1"], ""),
        (["yes", "no", "no"], ""),
        (["a good film, and a long one", "bad, bad, bad", "well made, but slow", "long"], ""),
    ],
)
def test_a_separator_is_detected_only_if_labels_repeat(cells: list[str], separator: str) -> None:
    assert find_separator(pl.Series(cells)) == separator


@pytest.mark.parametrize(
    ("cell", "separator", "labels"),
    [
        (" a | b |", "|", ["a", "b"]),
        ("a|a", "|", ["a"]),
        ('["a, b", "c"]', LISTS, ["a, b", "c"]),
        ("[a, b]", LISTS, ["a", "b"]),
        ("[]", LISTS, []),
    ],
)
def test_a_cell_is_split_into_its_labels(cell: str, separator: str, labels: list[str]) -> None:
    assert split_labels(pl.Series([cell]), separator).to_list() == [labels]
