"""Edge rows: missing, unknown, smallest, largest and extreme values."""

from __future__ import annotations

import polars as pl

from pipeline.contracts.signature import Column, Signature
from pipeline.evaluation.golden.edge_rows import UNKNOWN_CATEGORY, edge_rows

SIGNATURE = Signature(
    task="regression",
    target="price",
    columns=(
        Column(name="rooms", kind="numeric"),
        Column(name="town", kind="categorical"),
        Column(name="note", kind="text"),
        Column(name="new", kind="boolean"),
        Column(name="sold", kind="datetime"),
    ),
)
ROWS = pl.DataFrame(
    {
        "rooms": [3.0, 1.0, None, 5.0],
        "town": ["a", "b", "a", None],
        "note": ["nice", "old", "", "loud"],
        "new": [1.0, 0.0, 1.0, 0.0],
        "sold": [10.0, 20.0, 5.0, 7.0],
        "price": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_edge_rows_vary_the_first_row_by_missing_unknown_smallest_largest_and_far_values() -> None:
    assert edge_rows(ROWS, SIGNATURE).rows() == [
        (None, None, None, None, None),
        (3.0, UNKNOWN_CATEGORY, "", 1.0, 10.0),
        (1.0, "a", "nice", 0.0, 5.0),
        (5.0, "a", "nice", 1.0, 20.0),
        (45.0, "a", "nice", 1.0, 10.0),
    ]


def test_edge_rows_are_unique_and_exclude_the_first_row() -> None:
    constant = pl.DataFrame({"rooms": [2.0, 2.0]})
    numeric = Signature(task="regression", target="price", columns=(Column(name="rooms", kind="numeric"),))
    assert edge_rows(constant, numeric).rows() == [(None,)]


def test_a_column_without_values_and_a_single_row_have_edge_rows() -> None:
    empty = pl.DataFrame({"rooms": pl.Series([None], dtype=pl.Float64), "town": ["a"]})
    signature = Signature(task="regression", target="price", columns=SIGNATURE.columns[:2])
    assert edge_rows(empty, signature).rows() == [(None, None), (None, UNKNOWN_CATEGORY)]


def test_edge_images_are_black_and_white_and_never_missing() -> None:
    signature = Signature(
        task="classification", target="digit", columns=(Column(name="image", kind="image", shape=(2, 2, 1)),)
    )
    rows = edge_rows(pl.DataFrame({"image": [b"\x01\x02\x03\x04"]}), signature)
    assert rows["image"].to_list() == [b"\x00" * 4, b"\xff" * 4]


def test_a_table_of_many_columns_has_edge_rows() -> None:
    wide = pl.DataFrame({f"column_{number}": [1.0, 2.0] for number in range(1500)})
    columns = tuple(Column(name=name, kind="numeric") for name in wide.columns)
    rows = edge_rows(wide, Signature(task="regression", target="price", columns=columns)).rows()
    assert [(row[0], row[-1]) for row in rows] == [(None, None), (2.0, 2.0), (12.0, 12.0)]
