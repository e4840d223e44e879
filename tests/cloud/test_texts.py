"""Texts, dates and identifiers beside numbers, from the dropped file to predictions over HTTP."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from pipeline.contracts.records.run import Run
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv

pytestmark = pytest.mark.cloud

SPEC = b"target: urgent\nalgorithms: [text_linear, gradient_boosting, linear]\nsearch: {method: none}\n"


def tickets(rows: int = 400) -> list[dict[str, Any]]:
    """Make tickets that are urgent by their words, by the letter of their code, and in winter."""
    chance = random.Random(0)
    tickets_made = []
    for number in range(rows):
        day = date(2023, 1, 1) + timedelta(days=chance.randrange(700))
        code = f"{chance.choice('AXB')}-{number * 7919 % 10_000:04}"
        word = chance.choice(["leaks", "burns", "question", "thanks"])
        points = (word in ("leaks", "burns")) * 2 + code.startswith("X") + (day.month in (12, 1, 2))
        filler = " ".join(chance.choice(["the", "machine", "still", "since", "Monday", "again"]) for _ in range(5))
        tickets_made.append(
            {
                "remark": f"{filler}, it {word}" if number % 25 else "",
                "code": code,
                "when": day.strftime("%d/%m/%Y"),
                "pieces": chance.randrange(9),
                "urgent": "yes" if points >= 2 else "no",
            }
        )
    return tickets_made


@pytest.fixture(scope="module")
def run(cloud: Cloud) -> Run:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/tickets/train.yaml", Body=SPEC)
    return cloud.ended(cloud.drop("demo/tickets/tickets.csv", as_csv(tickets())))


def test_texts_dates_and_codes_are_features(cloud: Cloud, run: Run) -> None:
    assert (run.status, run.error) == ("SUCCEEDED", None)
    dataset = cloud.document(run.run, "dataset")
    kinds = {column["name"]: column["kind"] for column in dataset["columns"]}
    assert kinds == {"remark": "text", "code": "text", "when": "datetime", "pieces": "numeric"}
    assert cloud.document(run.run, "card")["test_quality"]["accuracy"] > 0.75


def test_rows_written_as_in_the_file_are_predicted(cloud: Cloud, run: Run) -> None:
    rows = tickets()
    rows_without_target = [{name: value for name, value in row.items() if name != "urgent"} for row in rows]
    answer = cloud.post("/v2/models/tickets/infer", {"rows": rows_without_target})
    assert answer.status_code == 200, answer.text
    predicted = [one["label"] for one in answer.json()["predictions"]]
    right = sum(label == row["urgent"] for label, row in zip(predicted, rows, strict=True))
    assert right > 0.8 * len(rows)


def test_a_date_may_be_iso_or_seconds_and_an_invalid_date_is_refused(cloud: Cloud, run: Run) -> None:
    row = {"remark": "the machine burns", "code": "X-1", "pieces": 3}
    same = [{**row, "when": when} for when in ("31/01/2024", "2024-01-31T00:00:00Z", 1706659200)]
    first, *others = cloud.post("/v2/models/tickets/infer", {"rows": same}).json()["predictions"]
    assert others == [first, first]
    refused = cloud.post("/v2/models/tickets/infer", {"rows": [{**row, "when": "soon"}]})
    assert refused.status_code == 400
    assert "rows[0], column 'when': a date such as 2024-01-31T10:30:00Z" in refused.json()["error"]
    metadata = cloud.get("/v2/models/tickets").json()
    assert {one["name"]: one["datatype"] for one in metadata["inputs"]}["when"] == "BYTES"
