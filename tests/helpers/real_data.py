"""Small real data: scikit-learn's data sets, as files that a user would drop."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

Row = dict[str, Any]


def wine() -> list[Row]:
    """Return 178 rows, 13 numbers, 3 classes; one column is made categorical and one cell missing, as in real files."""
    bunch = load_wine()
    rows = [
        {**dict(zip(bunch.feature_names, map(float, x), strict=True)), "cultivar": str(bunch.target_names[y])}
        for x, y in zip(bunch.data, bunch.target, strict=True)
    ]
    for row in rows:
        row["colour"] = "deep" if row.pop("color_intensity") > 5 else "light"
        row["cultivar"] = row.pop("cultivar")
    rows[0]["ash"] = None
    return rows


def breast_cancer() -> list[Row]:
    """Return 569 rows, 30 numbers, 2 classes."""
    bunch = load_breast_cancer()
    names = [name.replace(" ", "_") for name in bunch.feature_names]
    return [
        {**dict(zip(names, map(float, x), strict=True)), "diagnosis": str(bunch.target_names[y])}
        for x, y in zip(bunch.data, bunch.target, strict=True)
    ]


def diabetes() -> list[Row]:
    """Return 442 rows, 10 numbers, and a number as the target."""
    bunch = load_diabetes(scaled=False)
    return [
        {**dict(zip(bunch.feature_names, map(float, x), strict=True)), "progression": float(y)}
        for x, y in zip(bunch.data, bunch.target, strict=True)
    ]


def as_csv(rows: Sequence[Row], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_jsonl(rows: Iterable[Row]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def without(rows: Iterable[Row], column: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name != column} for row in rows]
