"""Precision: long codes, small signals on large offsets, epochs as dates, and targets within float32."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidTargetError
from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import json_lines, make_rows, parquet, table

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

ROWS = 320


def _coded(first: int, count: int = 6) -> list[list[Any]]:
    def make(random: Random, number: int) -> list[Any]:
        step = random.randrange(count)
        return [first + step, round(random.random(), 4), "yes" if step % 2 else "no"]

    return make_rows(make, ROWS)


CODED = ("code", "size", "ok")


@pytest.mark.parametrize("first", [2**24 + 1, 2**53 + 1, 2**63 + 11, 12_345_678_901_234_567_890])
def test_codes_that_floats_cannot_distinguish_are_categories(drop: Drop, learn: Learn, first: int) -> None:
    rows = _coded(first)
    bodies: dict[str, str | bytes] = {"a.csv": table(CODED, rows, ";"), "a.jsonl": json_lines(CODED, rows)}
    columns = dict(zip(CODED, map(list, zip(*rows, strict=True)), strict=True))
    bodies["a.parquet"] = parquet(pl.DataFrame(columns, schema_overrides={"code": pl.UInt64}))
    for name, body in bodies.items():
        file = drop(name, body)
        assert file.kinds == {"code": "categorical", "size": "numeric"}, name
        assert len(set(file.values("code"))) == 6
    served = learn(drop("a.csv", bodies["a.csv"]))
    labels = [served.ask({"code": first + step, "size": 0.5}).label for step in range(6)]
    assert labels == ["no", "yes"] * 3
    assert [served.ask({"code": str(first + step), "size": 0.5}).label for step in range(6)] == labels


@pytest.mark.parametrize(
    "signal",
    [(1e9, 40, 2), (52.52, 2e-4, 7), (6_650_000, 5, 3), (2_460_000.5, 3, 5), (1.7e12, 900_000, 0), (-8e8, 30, 1)],
    ids=str,
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_the_served_file_predicts_by_a_small_signal_on_a_large_offset(
    drop: Drop, learn: Learn, signal: tuple[float, float, int], name: str
) -> None:
    offset, spread, digits = signal

    def make(random: Random, number: int) -> list[Any]:
        step = random.random()
        return [round(offset + spread * step, digits), round(random.random(), 3), "high" if step > 0.6 else "low"]

    header = ("counter", "other", "state")
    rows = make_rows(make, ROWS)
    served = learn(drop(name, table(header, rows) if name == "a.csv" else json_lines(header, rows)))
    later = make_rows(make, 150, seed=1)
    replies = served.ask(*({"counter": row[0], "other": row[1]} for row in later)).predictions
    right = [reply["label"] == row[2] for reply, row in zip(replies, later, strict=True)]
    assert sum(right) / len(right) > 0.95


def test_a_column_that_float32_holds_is_not_wide(drop: Drop) -> None:
    def make(random: Random, number: int) -> list[Any]:
        return [random.uniform(0, 1), random.uniform(-1e6, 1e6), random.randrange(1_990, 2_024), "ab"[number % 2]]

    file = drop("a.csv", table(("share", "amount", "year", "kind"), make_rows(make, ROWS)))
    assert [column.is_wide for column in file.dataset.columns] == [False] * 3


START = datetime(2024, 1, 1, tzinfo=UTC)


def _hours(write: Callable[[datetime], Any]) -> Callable[[Random, int], list[Any]]:
    def make(random: Random, number: int) -> list[Any]:
        moment = START + timedelta(minutes=random.randrange(60 * 24 * 90))
        return [write(moment), random.randrange(5), "night" if moment.hour < 8 else "day"]

    return make


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000])
@pytest.mark.parametrize(("name", "column"), [("a.csv", "timestamp"), ("a.jsonl", "created_at"), ("a.csv", "Zeit")])
def test_epochs_are_dates_in_files_and_requests(drop: Drop, learn: Learn, factor: int, name: str, column: str) -> None:
    rows = make_rows(_hours(lambda moment: int(moment.timestamp()) * factor), ROWS)
    header = (column, "staff", "shift")
    file = drop(name, table(header, rows) if name == "a.csv" else json_lines(header, rows))
    assert file.kinds == {column: "datetime", "staff": "numeric"}
    assert min(file.values(column)) >= START.timestamp()
    served = learn(file)
    for hour, label in ((3, "night"), (14, "day")):
        moment = datetime(2024, 2, 10, hour, 30, tzinfo=UTC)
        for cell in (int(moment.timestamp()) * factor, moment.isoformat()):
            assert served.ask({column: cell, "staff": 2}).label == label


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_yyyymmdd_integers_are_dates_in_files_and_requests(drop: Drop, learn: Learn, delimiter: str) -> None:
    def make(random: Random, number: int) -> list[Any]:
        day = START + timedelta(days=random.randrange(360))
        return [int(day.strftime("%Y%m%d")), random.randrange(5), "winter" if day.month in (12, 1, 2) else "other"]

    file = drop("a.csv", table(("day", "staff", "season"), make_rows(make, ROWS), delimiter))
    assert file.kinds["day"] == "datetime"
    served = learn(file)
    for cell in (20240115, "20240115", "2024-01-15"):
        assert served.ask({"day": cell, "staff": 2}).label == "winter"
    assert served.ask({"day": 20240715, "staff": 2}).label == "other"


@pytest.mark.parametrize(
    ("low", "high"),
    [(1_990, 2_024), (10_115, 99_998), (15_000_000, 29_000_000), (0, 2_000_000_000), (100_000, 700_000)],
)
def test_integers_that_are_not_dates_are_numeric(drop: Drop, low: int, high: int) -> None:
    rows = make_rows(lambda random, number: [random.randrange(low, high), random.random(), "ab"[number % 2]], ROWS)
    for name, body in (("a.csv", table(("n", "x", "y"), rows)), ("a.jsonl", json_lines(("n", "x", "y"), rows))):
        assert drop(name, body).kinds == {"n": "numeric", "x": "numeric"}


@pytest.mark.parametrize("scale", [1e39, 1e60, 1e300])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.tsv"])
def test_a_target_beyond_float32_is_refused_before_training(drop: Drop, scale: float, name: str) -> None:
    rows = make_rows(lambda random, number: [random.random(), random.choice("ab"), random.random() * scale], ROWS)
    body = json_lines if name == "a.jsonl" else lambda header, rows: table(header, rows, "\t" if "tsv" in name else ",")
    with pytest.raises(InvalidTargetError) as error:
        drop(name, body(("x", "kind", "energy"), rows))
    assert "'energy'" in error.value.message
    assert "3.4e38" in error.value.message


def test_a_large_target_that_float32_holds_is_learned(drop: Drop, learn: Learn) -> None:
    def make(random: Random, number: int) -> list[Any]:
        x = random.random()
        return [x, random.choice("ab"), x * 1e15]

    reply = learn(drop("a.csv", table(("x", "kind", "energy"), make_rows(make, ROWS)))).ask({"x": 0.5, "kind": "a"})
    assert reply.value == pytest.approx(5e14, rel=0.1)


def test_a_request_may_send_a_wide_column_as_a_tensor_of_doubles(drop: Drop, learn: Learn) -> None:
    def make(random: Random, number: int) -> list[Any]:
        step = random.random()
        return [round(3e9 + 20 * step, 2), "on" if step > 0.5 else "off"]

    served = learn(drop("a.csv", table(("counter", "state"), make_rows(make, ROWS))))
    tensor = {"name": "counter", "datatype": "FP64", "shape": [2], "data": [3e9 + 18, 3e9 + 2]}
    reply = served.post(json.dumps({"inputs": [tensor]}))
    assert reply.status == 200, reply.error
    assert reply.outputs["label"] == ["on", "off"]
