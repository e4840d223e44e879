"""Test files are read like the data; labels without training rows are reported with the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pipeline.contracts.errors import DatasetError
from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import WAREHOUSE, json_lines, parquet, table, warehouse, workbook

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

TRAIN = table(WAREHOUSE, warehouse())


def _respelled(**labels: str) -> list[list[object]]:
    return [[weight, city, labels.get(late, late)] for weight, city, late in warehouse(count=80, seed=1)]


def _sentences(drop: Drop, test: str, body: str | bytes) -> Sequence[str]:
    """Return the warnings, or the message of the refusal."""
    try:
        return drop("a.csv", TRAIN, {test: body}).dataset.warnings
    except DatasetError as error:
        return [error.message]


@pytest.mark.parametrize(
    "labels",
    [{"yes": "yes.", "no": "no."}, {"yes": "YES", "no": "No"}, {"yes": "ja", "no": "nein"}, {"yes": "1", "no": "0"}],
)
def test_unknown_labels_of_the_test_file_are_reported(drop: Drop, labels: dict[str, str]) -> None:
    for test, body in (
        ("test.csv", table(WAREHOUSE, _respelled(**labels))),
        ("test.jsonl", json_lines(WAREHOUSE, _respelled(**labels))),
    ):
        sentences = _sentences(drop, test, body)
        assert any(all(f"'{label}'" in sentence for label in labels.values()) for sentence in sentences), sentences


@pytest.mark.parametrize(("label", "differs"), [("yes.", "full stop"), ("YES", "case")])
def test_the_known_label_is_reported_for_a_label_with_another_spelling(drop: Drop, label: str, differs: str) -> None:
    sentences = _sentences(drop, "test.tsv", table(WAREHOUSE, _respelled(yes=label), "\t"))
    assert any(f"'{label}'" in sentence and "'yes'" in sentence for sentence in sentences), differs


def test_rows_of_known_labels_are_tested_if_other_labels_are_unknown(drop: Drop) -> None:
    rows = _respelled()
    rows[:5] = [[weight, city, "maybe"] for weight, city, _ in rows[:5]]
    file = drop("a.csv", TRAIN, {"test.csv": table(WAREHOUSE, rows)})
    assert file.split("test").height == 75
    assert file.reports("'maybe'", "5")


def test_labels_that_are_the_same_number_are_matched(drop: Drop) -> None:
    def coded(count: int, seed: int, **labels: str) -> str:
        return table(WAREHOUSE, [[*row, labels[late]] for *row, late in warehouse(count=count, seed=seed)])

    file = drop("a.csv", coded(320, 0, yes="1", no="0"), {"test.csv": coded(80, 1, yes="1.0", no="0.0")})
    assert file.split("test").height == 80
    assert not file.reports("test.csv")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_test_file_may_have_another_encoding_and_delimiter(drop: Drop, encoding: str, delimiter: str) -> None:
    cities = ("Nîmes", "Évreux", "Orléans")
    test = table(WAREHOUSE, warehouse(cities, count=80, seed=1), delimiter).encode(encoding)
    file = drop("a.csv", table(WAREHOUSE, warehouse(cities)), {"test.csv": test})
    assert file.split("test").height == 80
    assert set(file.split("test")["city"].to_list()) == set(cities)


@pytest.mark.parametrize("test", ["test.csv", "test.tsv", "test.jsonl", "test.parquet", "test.xlsx", "test.txt"])
def test_a_test_file_may_have_another_format(drop: Drop, test: str) -> None:
    rows = warehouse(count=80, seed=1)
    bodies = {
        "test.csv": table(WAREHOUSE, rows),
        "test.tsv": table(WAREHOUSE, rows, "\t"),
        "test.txt": table(WAREHOUSE, rows, "|"),
        "test.jsonl": json_lines(WAREHOUSE, rows),
        "test.parquet": parquet(dict(zip(WAREHOUSE, map(list, zip(*rows, strict=True)), strict=True))),
        "test.xlsx": workbook({"Data": [WAREHOUSE, *rows]}),
    }
    file = drop("a.csv", TRAIN, {test: bodies[test]})
    assert file.split("test").height == 80
    assert file.split("test")["weight"].null_count() == 0


def test_numbers_dates_and_markers_of_a_test_file_are_read_like_the_data(drop: Drop) -> None:
    header = ("Gewicht", "Preis", "Tag", "Ort", "late")

    def written(count: int, seed: int) -> str:
        rows = [
            [
                f"{weight:.2f}".replace(".", ","),
                f"{weight * 37:,.2f} €".translate(str.maketrans(",.", ".,")),
                f"{number % 28 + 1:02}.03.2024",
                city if number % 9 else "unbekannt",
                late,
            ]
            for number, (weight, city, late) in enumerate(warehouse(count=count, seed=seed))
        ]
        return table(header, rows, ";")

    file = drop("a.csv", written(320, 0), {"test.csv": written(80, 1), "train.yaml": "missing: [unbekannt]\n"})
    kinds = {"Gewicht": "numeric", "Preis": "numeric", "Tag": "datetime", "Ort": "categorical"}
    test = file.split("test")
    assert (file.kinds, test.height) == (kinds, 80)
    assert test["Preis"].max() <= 99 * 37
    assert test["Ort"].null_count() == 9


def test_a_test_file_may_have_an_index_notes_and_blanks(drop: Drop) -> None:
    rows = [[number, *row] for number, row in enumerate(warehouse(count=80, seed=1))]
    body = "Second quarter\n\n" + table(["", " weight ", "city ", " late"], rows)
    assert drop("a.csv", TRAIN, {"test.csv": body}).split("test").height == 80


def test_a_test_file_without_a_header_is_read_if_the_data_has_no_header(drop: Drop) -> None:
    rows = [[weight, weight * 2, late] for weight, _, late in warehouse()]
    later = [[weight, weight * 2, late] for weight, _, late in warehouse(count=80, seed=1)]
    file = drop("a.csv", table((), rows), {"test.csv": table((), later), "train.yaml": "header: none\n"})
    assert (file.split("test").height, file.dataset.rows.train > 0) == (80, True)
