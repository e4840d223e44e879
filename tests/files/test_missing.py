"""Missing markers: counted in features, kept as frequent classes, and replaced by train.yaml."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import json_lines, make_rows, table

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

ROWS = 320


def _marked(marker: str, every: int) -> list[list[Any]]:
    """Make rows whose target is ``marker`` in one of ``every`` rows, those with the lowest speed."""

    def make(random: Random, number: int) -> list[Any]:
        low = number % every == 0
        speed = random.uniform(0, 10) if low else random.uniform(20, 100)
        return [round(speed, 2), random.choice(["dry", "wet"]), marker if low else "minor" if speed < 60 else "severe"]

    return make_rows(make, ROWS)


INJURY = ("speed", "road", "injury")


@pytest.mark.parametrize("marker", ["None", "NA", "nan", "NaN", "null", "NULL", "-", "N/A", "n/a"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_marker_in_many_rows_of_the_target_is_a_class(drop: Drop, marker: str, delimiter: str) -> None:
    file = drop("a.csv", table(INJURY, _marked(marker, 4), delimiter))
    assert set(file.dataset.classes) == {marker, "minor", "severe"}
    assert (file.rows.height, file.rejected) == (ROWS, 0)


@pytest.mark.parametrize("marker", ["None", "null", "-"])
def test_a_class_that_is_a_marker_is_learned_and_predicted(drop: Drop, learn: Learn, marker: str) -> None:
    served = learn(drop("a.jsonl", json_lines(INJURY, _marked(marker, 3))))
    assert served.ask({"speed": 4.0, "road": "dry"}).label == marker
    assert served.ask({"speed": 90.0, "road": "dry"}).label == "severe"


@pytest.mark.parametrize("marker", ["NA", "nan", "null"])
def test_a_marker_in_few_rows_of_the_target_is_missing_and_counted(drop: Drop, marker: str) -> None:
    file = drop("a.csv", table(INJURY, _marked(marker, 40)))
    assert file.dataset.classes == ("minor", "severe")
    assert file.rejected == 8
    assert file.reports("8", "injury")


@pytest.mark.parametrize("marker", ["NA", "None", ""])
def test_a_marker_in_a_numeric_target_is_missing_at_any_frequency(drop: Drop, marker: str) -> None:
    rows = [
        [road, number % 5, marker if number % 4 == 0 else speed]
        for number, (speed, road, _) in enumerate(_marked("", 7))
    ]
    file = drop("a.csv", table(("road", "lanes", "speed"), rows))
    assert (file.dataset.task, file.rows.height) == ("regression", 240)
    assert file.reports("80")


def test_an_empty_target_is_missing_at_any_frequency(drop: Drop) -> None:
    file = drop("a.csv", table(INJURY, _marked("", 4)))
    assert file.dataset.classes == ("minor", "severe")
    assert file.reports("80")


def test_the_missing_setting_of_train_yaml_applies_to_the_target_too(drop: Drop) -> None:
    file = drop("a.csv", table(INJURY, _marked("None", 4)), {"train.yaml": "missing: ['None']\n"})
    assert file.dataset.classes == ("minor", "severe")
    assert file.rows.height == 240


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_each_marker_in_a_feature_is_counted(drop: Drop, name: str) -> None:
    markers = {"NA": 13, "-": 21, "null": 6}
    cells = [marker for marker, count in markers.items() for _ in range(count)]
    rows = [[cells[n] if n < len(cells) else speed, *rest] for n, (speed, *rest) in enumerate(_marked("low", 3))]
    body = json_lines(INJURY, rows) if name == "a.jsonl" else table(INJURY, rows, "\t" if name == "a.tsv" else ",")
    file = drop(name, body)
    assert file.kinds["speed"] == "numeric"
    assert file.rows["speed"].null_count() == 40
    for marker, count in markers.items():
        assert file.reports("'speed'", f"'{marker}'", str(count))


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_markers_of_train_yaml_replace_the_default_markers(drop: Drop, delimiter: str) -> None:
    def make(random: Random, number: int) -> list[Any]:
        level = -999 if number % 8 == 0 else random.randrange(5, 60)
        return [level, random.choice(["NA", "EU", "unknown"]), "yes" if level > 30 else "no"]

    body = table(("level", "region", "late"), make_rows(make, ROWS), delimiter)
    file = drop("a.csv", body, {"train.yaml": 'missing: ["-999", unknown]\n'})
    assert (file.rows["level"].null_count(), min(file.values("level"))) == (40, 5)
    assert set(file.values("region")) == {"NA", "EU"}


def test_an_empty_list_of_markers_keeps_all_markers_as_values(drop: Drop) -> None:
    rows = [
        ["NA" if number % 3 else "EU", speed, injury] for number, (speed, _, injury) in enumerate(_marked("low", 3))
    ]
    file = drop("a.csv", table(("region", "speed", "injury"), rows), {"train.yaml": "missing: []\n"})
    assert set(file.values("region")) == {"NA", "EU"}


def test_a_marker_means_the_same_in_a_request_as_in_the_file(drop: Drop, learn: Learn) -> None:
    def make(random: Random, number: int) -> list[Any]:
        level = -999 if number % 3 == 0 else random.randrange(5, 60)
        return [level, random.choice(["NA", "EU"]), "broken" if level < 0 else "fine"]

    body = table(("level", "region", "state"), make_rows(make, ROWS))
    served = learn(drop("a.csv", body, {"train.yaml": 'missing: ["-999"]\n'}))
    replies = [served.ask({"level": cell, "region": "NA"}) for cell in (-999, "-999", None)]
    assert replies[0].label == "broken"
    assert replies[1] == replies[0] == replies[2]
    assert served.ask({"level": 20, "region": "NA"}).label == "fine"


def test_words_that_resemble_a_marker_are_values(drop: Drop) -> None:
    words = ("none of these", "NAN-12", "nullable", "na", "Nana")
    rows = [[words[number % 5], speed, injury] for number, (speed, _, injury) in enumerate(_marked("low", 3))]
    file = drop("a.csv", table(("word", "speed", "injury"), rows))
    assert set(file.values("word")) == set(words)
    assert not file.reports("'word'")
