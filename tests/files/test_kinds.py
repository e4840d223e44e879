"""Kinds of columns and tasks: sentences are texts, grades are a regression, and the task is reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import json_lines, make_rows, parquet, table

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

ROWS = 320
MESSAGE = ("message", "topic")
BILL = (
    "my invoice is wrong again", "please refund the second payment", "the amount on the bill is too high",
    "I was charged twice this month", "where can I pay my invoice", "the payment was refused by my bank",
)  # fmt: skip
PARCEL = (
    "my parcel has not arrived", "the courier left the package outside", "please send the parcel once more",
    "the box was open and wet", "when will the driver come", "the tracking number does not work",
)  # fmt: skip
JAPANESE = {
    "weather": ("明日は雨が降るでしょう", "今日は晴れて気温が高い", "台風が近づいています", "雪が積もって寒いです"),
    "food": (
        "寿司とラーメンが好きです",
        "この店の料理は美味しい",
        "朝ご飯にパンを食べました",
        "辛いカレーを作りました",
    ),
}
THAI = {
    "weather": ("วันนี้ฝนตกหนักมาก", "พรุ่งนี้อากาศจะร้อน", "พายุกำลังมา", "อากาศหนาวและมีหมอก"),
    "food": ("อาหารร้านนี้อร่อยมาก", "ฉันชอบกินข้าวผัด", "ต้มยำกุ้งเผ็ดมาก", "เราสั่งข้าวและไก่ทอด"),
}
CHINESE = {
    "weather": ("明天会下大雨", "今天天气很热", "台风就要来了", "外面下雪很冷"),
    "food": ("这家餐厅的菜很好吃", "我喜欢吃饺子和面条", "早饭吃了面包和鸡蛋", "晚上我们去吃火锅"),
}


def _messages(random: Random, number: int) -> list[Any]:
    """Make a row with two sentences of a topic, from some thirty texts that repeat."""
    topic = number % 2
    return [
        f"{random.choice((BILL, PARCEL)[topic])}, {random.choice((BILL, PARCEL)[topic])}",
        ("bill", "parcel")[topic],
    ]


def _topics(sentences: dict[str, Sequence[str]]) -> list[list[Any]]:
    def make(random: Random, number: int) -> list[Any]:
        topic = random.choice(list(sentences))
        return ["".join(random.choice(sentences[topic]) for _ in range(2)), topic]

    return make_rows(make, ROWS)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_repeated_sentences_are_texts(drop: Drop, name: str) -> None:
    rows = make_rows(_messages, ROWS)
    body = json_lines(MESSAGE, rows) if name == "a.jsonl" else table(MESSAGE, rows, "\t" if name == "a.tsv" else ",")
    assert drop(name, body).kinds == {"message": "text"}


def test_unseen_sentences_are_classified_by_their_words(drop: Drop, learn: Learn) -> None:
    served = learn(drop("a.csv", table(MESSAGE, make_rows(_messages, ROWS))), "text_linear")
    assert served.ask({"message": "the bill and the payment are wrong"}).label == "bill"
    assert served.ask({"message": "where is the driver with my package"}).label == "parcel"


@pytest.mark.parametrize(
    ("sentences", "unseen"),
    [
        (JAPANESE, {"雨と台風が来るでしょう": "weather", "美味しいラーメンを食べました": "food"}),
        (THAI, {"อากาศร้อนและฝนตก": "weather", "ฉันกินไก่ทอดอร่อยมาก": "food"}),
        (CHINESE, {"今天下雨很冷": "weather", "我们去吃饺子": "food"}),
    ],
    ids=["Japanese", "Thai", "Chinese"],
)
def test_texts_in_scripts_without_blanks_are_classified(
    drop: Drop, learn: Learn, sentences: dict[str, Sequence[str]], unseen: dict[str, str]
) -> None:
    file = drop("a.csv", table(MESSAGE, _topics(sentences), ";"))
    assert file.kinds == {"message": "text"}
    served = learn(file, "text_linear")
    assert {text: served.ask({"message": text}).label for text in unseen} == unseen


def test_very_long_texts_are_learned_and_classified(drop: Drop, learn: Learn) -> None:
    def make(random: Random, number: int) -> list[Any]:
        sentences = random.sample(BILL if number % 2 else PARCEL, 3)
        return [". ".join(sentences * (300 if number % 40 < 2 else 1)), ("parcel", "bill")[number % 2]]

    served = learn(drop("a.csv", table(MESSAGE, make_rows(make, ROWS))), "text_linear")
    assert served.ask({"message": "invoice payment " * 5_000}).label == "bill"


@pytest.mark.parametrize(
    "labels",
    [
        ("New York", "San Francisco", "Los Angeles", "Rio de Janeiro"),
        ("very satisfied", "somewhat satisfied", "somewhat dissatisfied", "very dissatisfied"),
        ("東京", "大阪", "札幌"),
        ("Never worked", "Self employed", "Works for the government"),
    ],
)
def test_a_few_labels_of_several_words_are_categories(drop: Drop, labels: Sequence[str]) -> None:
    rows = make_rows(lambda random, number: [random.choice(labels), random.random(), "ab"[number % 2]], ROWS)
    assert drop("a.csv", table(("label", "x", "y"), rows)).kinds["label"] == "categorical"


def _graded(low: int, high: int) -> list[list[Any]]:
    def make(random: Random, number: int) -> list[Any]:
        hours = random.random()
        return [round(hours, 4), random.choice("ab"), low + round((high - low) * hours)]

    return make_rows(make, ROWS)


GRADED = ("hours", "school", "grade")


@pytest.mark.parametrize(("low", "high"), [(0, 20), (1, 14), (0, 100), (-10, 10)])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_an_integer_target_with_many_values_is_a_regression_and_that_is_reported(
    drop: Drop, low: int, high: int, name: str
) -> None:
    rows = _graded(low, high)
    bodies: dict[str, Callable[[], str | bytes]] = {
        "a.csv": lambda: table(GRADED, rows, ";"),
        "a.jsonl": lambda: json_lines(GRADED, rows),
        "a.parquet": lambda: parquet(dict(zip(GRADED, map(list, zip(*rows, strict=True)), strict=True))),
    }
    file = drop(name, bodies[name]())
    assert (file.dataset.task, file.rows.height) == ("regression", ROWS)
    assert file.reports("grade", "regression", "task:")


def test_a_model_of_grades_predicts_a_value(drop: Drop, learn: Learn) -> None:
    served = learn(drop("a.csv", table(GRADED, _graded(0, 20))))
    assert served.ask({"hours": 0.95, "school": "a"}).value == pytest.approx(19, abs=1)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1, 5), (0, 9), (1, 10)])
def test_an_integer_target_with_few_values_is_a_classification(drop: Drop, low: int, high: int) -> None:
    file = drop("a.csv", table(GRADED, _graded(low, high)))
    assert file.dataset.task == "classification"
    assert len(file.dataset.classes) == high - low + 1


def test_the_task_of_train_yaml_makes_many_values_classes(drop: Drop) -> None:
    file = drop("a.csv", table(GRADED, _graded(0, 15)), {"train.yaml": "task: classification\n"})
    assert file.dataset.task == "classification"
    assert not file.reports("task:")


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
@pytest.mark.parametrize("suffix", ["", ".0"])
def test_a_regression_metric_makes_few_values_a_regression(drop: Drop, metric: str, suffix: str) -> None:
    rows = [[hours, school, f"{grade}{suffix}"] for hours, school, grade in _graded(1, 5)]
    file = drop("a.csv", table(GRADED, rows), {"train.yaml": f"metric: {metric}\n"})
    assert (file.dataset.task, file.rows.height) == ("regression", ROWS)


@pytest.mark.parametrize("metric", ["accuracy", "auc", "log_loss"])
def test_a_classification_metric_makes_few_values_a_classification(drop: Drop, metric: str) -> None:
    file = drop("a.csv", table(GRADED, _graded(1, 5)), {"train.yaml": f"metric: {metric}\n"})
    assert file.dataset.task == "classification"


def test_any_number_of_words_are_classes(drop: Drop) -> None:
    rows = [[hours, school, f"level {grade}"] for hours, school, grade in _graded(0, 14)]
    file = drop("a.csv", table(GRADED, rows))
    assert (file.dataset.task, len(file.dataset.classes)) == ("classification", 15)
