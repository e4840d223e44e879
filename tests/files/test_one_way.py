"""Later files and requests are read in the same way as the training file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from pipeline.contracts.signature import Signature
from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import WAREHOUSE, json_lines, make_rows, parquet, table, warehouse

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

ROWS = 320
VISITS = ("age", "member", "visits", "paid")


def _visits(random: Random, number: int) -> list[Any]:
    age, member = random.uniform(18, 80), random.random() < 0.5
    return [round(age, 1), member, random.randrange(9), "yes" if member and age > 30 else "no"]


@pytest.fixture
def visits(drop: Drop, learn: Learn) -> Served:
    return learn(drop("a.csv", table(VISITS, [[a, str(m).lower(), v, p] for a, m, v, p in make_rows(_visits, ROWS)])))


PAID: dict[str, Any] = {"age": 60.5, "member": True, "visits": 3}


@pytest.mark.parametrize("changes", [{"age": "60.5"}, {"age": " 60.5 "}, {"visits": "3"}, {"visits": 3.0}])
def test_a_number_may_be_sent_as_text(visits: Served, changes: dict[str, Any]) -> None:
    assert visits.ask(PAID | changes) == visits.ask(PAID)


@pytest.mark.parametrize("cell", [1, "true", "True", "1", "yes", 1.0])
def test_a_boolean_may_be_sent_as_a_number_or_a_word(visits: Served, cell: Any) -> None:
    assert visits.ask(PAID | {"member": cell}) == visits.ask(PAID)
    absent = {1: 0, "true": "false", "True": "False", "1": "0", "yes": "no"}[cell]
    assert visits.ask(PAID | {"member": absent}) == visits.ask(PAID | {"member": False})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"age": "old"}, "age"),
        ({"age": "60,5"}, "age"),
        ({"age": True}, "age"),
        ({"age": [60]}, "age"),
        ({"member": 2}, "member"),
        ({"member": "perhaps"}, "member"),
        ({"visits": "12 kg"}, "visits"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_with_the_column(
    visits: Served, changes: dict[str, Any], name: str
) -> None:
    reply = visits.ask(PAID | changes)
    assert reply.status == 400
    assert f"'{name}'" in reply.error


def test_an_absent_key_is_refused_by_name_if_every_training_row_had_the_key(visits: Served) -> None:
    reply = visits.ask({name: cell for name, cell in PAID.items() if name != "visits"})
    assert reply.status == 400
    assert "'visits'" in reply.error


def test_a_key_may_be_absent_if_training_rows_of_json_lines_lacked_the_key(
    drop: Drop, learn: Learn, tmp_path: Path
) -> None:
    def sparse(count: int, seed: int) -> str:
        rows = [dict(zip(VISITS, row, strict=True)) for row in make_rows(_visits, count, seed)]
        sparse_rows = ({k: v for k, v in row.items() if k != "visits" or row["visits"] > 2} for row in rows)
        return "".join(json.dumps(row) + "\n" for row in sparse_rows)

    served = learn(drop("a.jsonl", sparse(ROWS, 0)))
    rest = {"age": 60.5, "member": True}
    assert served.ask(rest) == served.ask({**rest, "visits": None})
    assert served.ask(rest).label == "yes"
    refused = served.ask({"member": True, "visits": 3})
    assert (refused.status, "'age'" in refused.error) == (400, True)
    path = tmp_path / "later.jsonl"
    path.write_text(sparse(100, 1))
    assert served.quality("accuracy", path) > 0.95


@pytest.mark.parametrize("blank", [" ", "\u00a0"])
def test_column_names_may_be_sent_as_the_header_writes_them(drop: Drop, learn: Learn, blank: str) -> None:
    served = learn(drop("a.csv", table([f"{blank}weight", f"city{blank}", "late"], warehouse(), ";")))
    trimmed = served.ask({"weight": 80.0, "city": "Oslo"})
    assert trimmed.label == "yes"
    assert served.ask({f"{blank}weight": 80.0, f"city{blank}": "Oslo"}) == trimmed
    assert served.ask({f"{blank}weight": 80.0, "city": f"{blank}Oslo "}) == trimmed


def test_a_column_that_is_sent_in_two_spellings_is_refused(drop: Drop, learn: Learn) -> None:
    served = learn(drop("a.csv", table([" weight", "city", "late"], warehouse())))
    assert served.ask({" weight": 80.0, "weight": 10.0, "city": "Oslo"}).status == 400


def test_the_error_for_a_wrong_long_name_shows_the_difference(drop: Drop, learn: Learn) -> None:
    name = "How many kilograms does the parcel weigh, rounded up to the next tenth, without its pallet? Answer for 20"
    served = learn(drop("a.csv", table([f"{name}23", "city", "late"], warehouse())))
    reply = served.ask({f"{name}24": 80.0, "city": "Oslo"})
    assert reply.status == 400
    assert "23" in reply.error
    assert "24" in reply.error


START = datetime(2024, 3, 1, tzinfo=UTC)


def _stays(count: int, seed: int) -> pl.DataFrame:
    random = Random(seed)
    arrived = [START + timedelta(hours=random.randrange(24 * 90)) for _ in range(count)]
    return pl.DataFrame(
        {
            "arrived": arrived,
            "day": [moment.date() for moment in arrived],
            "guests": [random.choice([1, 2, 3, None]) for _ in arrived],
            "shift": ["night" if moment.hour < 7 else "day" for moment in arrived],
        },
        schema_overrides={"guests": pl.Int8},
    )


def test_a_model_of_a_parquet_file_with_dates_predicts_later_files(drop: Drop, learn: Learn, tmp_path: Path) -> None:
    served = learn(drop("a.parquet", parquet(_stays(ROWS, 0))))
    path = tmp_path / "later.parquet"
    path.write_bytes(parquet(_stays(100, 1)))
    assert served.quality("accuracy", path) > 0.95
    (tmp_path / "later.csv").write_text(_stays(100, 1).write_csv())
    assert served.quality("accuracy", tmp_path / "later.csv") > 0.95


@pytest.mark.parametrize("name", ["later.csv", "later.tsv", "later.jsonl", "later.parquet", "later.txt"])
def test_a_later_file_may_have_another_format(drop: Drop, learn: Learn, tmp_path: Path, name: str) -> None:
    served = learn(drop("a.csv", table(WAREHOUSE, warehouse())))
    rows = warehouse(count=100, seed=1)
    bodies = {
        "later.csv": "sep=;\n" + table(WAREHOUSE, rows, ";"),
        "later.tsv": table([f" {column}" for column in WAREHOUSE], rows, "\t"),
        "later.txt": "Later\n\n" + table(WAREHOUSE, rows, "|"),
        "later.jsonl": json_lines(WAREHOUSE, rows),
        "later.parquet": parquet(dict(zip(WAREHOUSE, map(list, zip(*rows, strict=True)), strict=True))),
    }
    body = bodies[name]
    (tmp_path / name).write_bytes(body.encode() if isinstance(body, str) else body)
    assert served.quality("accuracy", tmp_path / name) > 0.95


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2)])
def test_a_later_file_may_have_its_columns_in_another_order(
    drop: Drop, learn: Learn, tmp_path: Path, order: tuple[int, ...]
) -> None:
    served = learn(drop("a.csv", table(WAREHOUSE, warehouse())))
    header, *rows = [[row[index] for index in order] for row in [WAREHOUSE, *warehouse(count=100, seed=1)]]
    path = tmp_path / "later.csv"
    path.write_text(table(header, rows))
    assert served.quality("accuracy", path) > 0.95


def test_the_signature_stores_the_formats_of_the_file(drop: Drop) -> None:
    rows = [
        [f"{w:.1f}".replace(".", ","), f"{c}", f"{n % 28 + 1}/3/2024", late]
        for n, (w, c, late) in enumerate(warehouse())
    ]
    body = table((" Gewicht", "Ort", "Tag", "late"), rows, ";")
    file = drop("a.csv", body, {"train.yaml": "missing: [unbekannt]\n"})
    signature = file.dataset.signature
    weight, _, day = signature.columns
    assert (weight.name, weight.aliases, weight.number_format.decimal) == ("Gewicht", (" Gewicht",), ",")
    assert day.day_first
    assert signature.missing == ("unbekannt",)
    assert Signature.from_dict(json.loads(json.dumps(signature.to_dict()))) == signature
