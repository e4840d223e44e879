"""Workbooks: the first sheet or the sheet that train.yaml names is read like a csv file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import WAREHOUSE, make_rows, warehouse, workbook

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

START = datetime(2024, 1, 1)


def _shifts(random: Random, number: int) -> list[Any]:
    moment = START + timedelta(hours=random.randrange(24 * 60))
    return [moment, random.randrange(1, 9), random.random() < 0.5, "night" if moment.hour < 6 else "day"]


def test_the_first_sheet_is_read(drop: Drop) -> None:
    file = drop("a.xlsx", workbook({"Data": [WAREHOUSE, *warehouse()], "Notes": [["nothing"]]}))
    assert (file.kinds, file.rows.height) == ({"weight": "numeric", "city": "categorical"}, 320)


def test_train_yaml_can_choose_another_sheet(drop: Drop) -> None:
    body = workbook({"Notes": [["Read me"], ["twice"]], "Data": [WAREHOUSE, *warehouse()]})
    file = drop("a.xlsx", body, {"train.yaml": "sheet: Data\n"})
    assert (list(file.kinds), file.rows.height) == (["weight", "city"], 320)


def test_notes_above_the_header_of_a_sheet_are_skipped_and_reported(drop: Drop) -> None:
    rows = [["Shipments", None, None], ["Made", "2024-01-01", None], [None, None, None], WAREHOUSE, *warehouse()]
    file = drop("a.xlsx", workbook({"Data": rows}))
    assert (list(file.kinds), file.rows.height) == (["weight", "city"], 320)
    assert file.reports("4")


def test_dates_integers_and_booleans_of_cells_keep_their_kinds(drop: Drop) -> None:
    rows = [["at", "staff", "holiday", "shift"], *make_rows(_shifts)]
    file = drop("a.xlsx", workbook({"Data": rows}))
    assert file.kinds == {"at": "datetime", "staff": "numeric", "holiday": "boolean"}


def test_empty_cells_are_missing_and_empty_columns_are_dropped(drop: Drop) -> None:
    rows = [
        [weight if number % 5 else None, None, city, late] for number, (weight, city, late) in enumerate(warehouse())
    ]
    file = drop("a.xlsx", workbook({"Data": [["weight", None, "city", "late"], *rows]}))
    assert list(file.kinds) == ["weight", "city"]
    assert file.rows["weight"].null_count() == 64
    assert len(file.dropped) == 1


def test_a_model_of_a_workbook_predicts_a_later_workbook_and_requests(drop: Drop, learn: Learn, tmp_path: Path) -> None:
    header = ["at", "staff", "holiday", "shift"]
    served = learn(drop("a.xlsx", workbook({"Data": [header, *make_rows(_shifts)]})))
    path = tmp_path / "later.xlsx"
    path.write_bytes(workbook({"Data": [header, *make_rows(_shifts, 80, seed=1)]}))
    assert served.quality("accuracy", path) > 0.95
    assert served.ask({"at": "2024-03-01T03:00:00", "staff": 3, "holiday": False}).label == "night"
