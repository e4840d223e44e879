"""Hints about time, group, survival and ranking data, each with the line to add to train.yaml."""

from __future__ import annotations

import hashlib
import json
import math
import random
import uuid

import pytest

from pipeline.validation.hints.column_words import name_words, yaml_name
from pipeline.validation.hints.repeated_entities import names_entity


def table(columns: dict[str, list[object]]) -> str:
    """Write columns as csv."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def days(count: int) -> list[str]:
    return [f"{2020 + day // 336}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}" for day in range(count)]


def walk(rng: random.Random, count: int) -> list[object]:
    values, value = [], 0.0
    for _ in range(count):
        value += rng.gauss(0, 1)
        values.append(round(value, 3))
    return values


def numbers(rng: random.Random, count: int) -> list[object]:
    return [round(rng.gauss(0, 1), 3) for _ in range(count)]


def test_a_date_column_that_the_target_depends_on_is_suggested_for_a_split_by_time(drop) -> None:
    rng = random.Random(0)
    body = table({"day": days(400), "x": numbers(rng, 400), "sales": walk(rng, 400)})
    (hint,) = drop("a.csv", body).dataset.hints
    assert "add `split: {by: time, column: day}` to train.yaml" in hint
    assert hint in drop("a.csv", body).dataset.warnings
    assert drop("a.csv", body, spec="split: {by: time, column: day}").dataset.hints == ()


def test_a_date_column_is_suggested_for_rows_in_any_order(drop) -> None:
    rng = random.Random(0)
    rows = list(zip(days(400), numbers(rng, 400), walk(rng, 400), strict=True))
    rng.shuffle(rows)
    body = table(dict(zip(("day", "x", "sales"), map(list, zip(*rows, strict=True)), strict=True)))
    assert "split: {by: time, column: day}" in drop("a.csv", body).dataset.hints[0]


def test_a_date_that_the_target_does_not_depend_on_is_not_suggested(drop) -> None:
    rng = random.Random(0)
    columns = {"day": days(400), "x": numbers(rng, 400), "y": numbers(rng, 400)}
    assert drop("a.csv", table(columns)).dataset.hints == ()


def test_a_date_of_birth_is_not_suggested(drop) -> None:
    rng = random.Random(0)
    columns = {"date_of_birth": days(400), "x": numbers(rng, 400), "size": list(range(400))}
    assert drop("a.csv", table(columns)).dataset.hints == ()


@pytest.mark.parametrize("name", ["patient_id", "subject#", "customerId", "user"])
def test_a_column_of_repeated_persons_is_suggested_for_a_split_by_group(drop, name: str) -> None:
    rng = random.Random(0)
    person_effects = [rng.gauss(0, 1) for _ in range(40)]
    people = [person for person in range(40) for _ in range(8)]
    score = [round(person_effects[person] + rng.gauss(0, 0.3), 3) for person in people]
    body = table({name: [7000 + person for person in people], "x": numbers(rng, 320), "score": score})
    (hint,) = drop("a.csv", body).dataset.hints
    assert f"add `split: {{by: group, column: {yaml_name(name)}}}` to train.yaml" in hint
    assert "40 values in 320 rows" in hint
    assert drop("a.csv", body, spec=f"split: {{by: group, column: {yaml_name(name)}}}").dataset.hints == ()


def test_an_identifier_that_does_not_predict_the_target_is_not_suggested(drop) -> None:
    rng = random.Random(0)
    people = [person for person in range(40) for _ in range(8)]
    body = table({"patient_id": people, "x": numbers(rng, 320), "score": numbers(rng, 320)})
    assert drop("a.csv", body).dataset.hints == ()


def test_a_place_that_predicts_the_target_is_not_suggested_as_a_group(drop) -> None:
    rng = random.Random(0)
    places = [place for place in range(40) for _ in range(8)]
    price = [round(place + rng.gauss(0, 0.3), 3) for place in places]
    body = table({"region_id": places, "x": numbers(rng, 320), "price": price})
    assert drop("a.csv", body).dataset.hints == ()


def test_durations_with_an_event_flag_are_reported_as_survival_data(drop) -> None:
    rng = random.Random(0)
    columns = {"age": numbers(rng, 200), "event": [rng.randrange(2) for _ in range(200)]}
    time = [round(rng.expovariate(0.1), 2) for _ in range(200)]
    (hint,) = drop("a.csv", table(columns | {"time": time})).dataset.hints
    assert "survival models are not supported" in hint
    assert "add `drop: [event]`" in hint
    (hint,) = drop("a.csv", table({"age": columns["age"], "time": time, "event": columns["event"]})).dataset.hints
    assert "'event' is learned as a classification" in hint
    assert "add `drop: [time]`" in hint


def test_a_duration_and_a_flag_of_other_data_give_no_hint(drop) -> None:
    rng = random.Random(0)
    columns = {"duration": numbers(rng, 200), "claim": [rng.choice(["yes", "no"]) for _ in range(200)]}
    assert drop("a.csv", table(columns)).dataset.hints == ()
    columns = {
        "tenure": [rng.randrange(72) for _ in range(200)],
        "churn": [rng.choice(["Yes", "No"]) for _ in range(200)],
    }
    assert drop("a.csv", table(columns)).dataset.hints == ()


def test_graded_results_of_queries_are_reported_as_ranking_data(drop) -> None:
    rng = random.Random(0)
    queries = [query for query in range(30) for _ in range(10)]
    columns = {"qid": queries, "bm25": numbers(rng, 300), "relevance": [rng.randrange(5) for _ in queries]}
    (hint,) = drop("a.csv", table(columns)).dataset.hints
    assert "ranking is not supported" in hint
    assert "`task: regression` keeps the order of the grades" in hint
    assert "`split: {by: group, column: qid}`" in hint
    (hint,) = drop("a.csv", table(columns), spec="split: {by: group, column: qid}").dataset.hints
    assert "split:" not in hint


def test_hints_are_in_the_report_of_the_run(drop) -> None:
    rng = random.Random(0)
    dropped = drop("a.csv", table({"day": days(400), "x": numbers(rng, 400), "sales": walk(rng, 400)}))
    (key,) = (key for key in dropped.artifacts.keys("") if key.endswith("report.json"))
    assert set(dropped.dataset.hints) <= {*json.loads(dropped.artifacts.get(key))["warnings"]}


def test_a_warning_says_that_stars_lose_their_order_as_classes(drop) -> None:
    rng = random.Random(0)
    stars = [math.ceil(5 * rng.random()) for _ in range(300)]
    warnings = drop("a.csv", table({"x": numbers(rng, 300), "stars": stars})).dataset.warnings
    assert any(
        "(1 to 5)" in warning and "`task: regression` in train.yaml keeps the order" in warning for warning in warnings
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("patientId", ("patient", "id")),
        ("PATIENT_ID", ("patient", "id")),
        ("subject#", ("subject", "#")),
        ("x1", ("x",)),
    ],
)
def test_a_name_is_split_into_words(name: str, words: tuple[str, ...]) -> None:
    assert name_words(name) == {*words}


@pytest.mark.parametrize("name", ["userid", "customer number", "Patient", "device_uuid", "id"])
def test_names_of_entities_are_recognized(name: str) -> None:
    assert names_entity(name)


@pytest.mark.parametrize(
    "name", ["humid", "paid", "engine", "user_type", "zip_id", "number of rooms", "family size", "age"]
)
def test_other_names_are_not_taken_for_entities(name: str) -> None:
    assert not names_entity(name)


@pytest.mark.parametrize(
    ("name", "written"),
    [("day", "day"), ("sold at", "sold at"), ("subject#", '"subject#"'), ("no", '"no"'), ("a,b", '"a,b"')],
)
def test_a_name_in_a_hint_can_be_pasted_into_train_yaml(name: str, written: str) -> None:
    assert yaml_name(name) == written


def named(values: list[object]) -> str:
    rng = random.Random(0)
    return table({"customer": values, "x": numbers(rng, len(values)), "y": numbers(rng, len(values))})


@pytest.mark.parametrize(
    "values",
    [
        [f"C-{number}" for number in range(1000, 1080)],
        [f"order_{number * 7919}/{number}" for number in range(1, 81)],
        [str(uuid.UUID(int=number * 2**100 + 5)) for number in range(1, 81)],
        [hashlib.sha256(bytes([number])).hexdigest()[:32] for number in range(80)],
    ],
)
def test_unique_text_identifiers_are_reported_with_the_line_that_drops_them(drop, values) -> None:
    dataset = drop("a.csv", named(values)).dataset
    assert [column.kind for column in dataset.columns if column.name == "customer"] == ["text"]
    (hint,) = dataset.hints
    assert "'customer' is an identifier" in hint
    assert "Add `drop: [customer]` to train.yaml" in hint
    assert drop("a.csv", named(values), spec="drop: [customer]").dataset.hints == ()


@pytest.mark.parametrize(
    "values",
    [
        [f"{letter}-{number}" for letter in "ABCD" for number in range(20)],  # the letter may carry information
        [f"room {number} on floor {number % 3}" for number in range(80)],  # words
        [f"M{'x' * number}" for number in range(80)],
    ],
)
def test_other_unique_texts_give_no_hint(drop, values) -> None:
    assert drop("a.csv", named(values)).dataset.hints == ()
