"""Kinds of files that users try first: each trains a model that predicts later files and requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import make_rows, table

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

ROWS = 400
SPAM = (
    "free £1000 prize",
    "win cash now",
    "claim your reward",
    "txt STOP to end",
    "urgent! call now",
    "100% guaranteed",
)
HAM = ("see you at the café", "are you coming home", "thanks, I’ll call later", "à bientôt", "lunch at noon?", "ok lol")


def _message(random: Random, number: int) -> list[Any]:
    spam = random.random() < 0.4
    return ["spam" if spam else "ham", " ".join(random.sample(SPAM if spam else HAM, 3)), "", ""]


def test_a_windows_1252_file_of_messages_trains_and_predicts(drop: Drop, learn: Learn, tmp_path: Path) -> None:
    def body(count: int, seed: int) -> bytes:
        return table(("v1", "v2", "", ""), make_rows(_message, count, seed)).encode("cp1252")

    file = drop("spam.csv", body(ROWS, 0), target="v1")
    assert file.kinds == {"v2": "text"}
    assert file.names_encoding("1252", "8859", "latin")
    assert len(file.dropped) == 2
    served = learn(file, "text_linear")
    (tmp_path / "later.csv").write_bytes(body(100, 1))
    assert served.quality("accuracy", tmp_path / "later.csv") > 0.95
    assert served.ask({"v2": "call now to claim your free £ prize"}).label == "spam"
    assert served.ask({"v2": "thanks, see you at home"}).label == "ham"


def _house(random: Random, number: int) -> list[Any]:
    rooms, income = random.randrange(1, 9), round(random.uniform(1, 9), 3)
    age = random.randrange(1, 60) if random.random() < 0.8 else ""
    shown = income if random.random() < 0.95 else " "
    return [rooms, age, shown, random.choice(["coast", "inland", ""]), round(40_000 * income + 9_000 * rooms)]


def test_a_table_with_blank_cells_among_numbers_trains_and_predicts(drop: Drop, learn: Learn, tmp_path: Path) -> None:
    header = ("rooms", "age", "income", "place", "value")
    file = drop("houses.csv", table(header, make_rows(_house, ROWS)))
    assert file.kinds == {"rooms": "numeric", "age": "numeric", "income": "numeric", "place": "categorical"}
    assert file.dataset.task == "regression"
    assert file.rows["age"].null_count() > 50
    served = learn(file, "gradient_boosting")
    (tmp_path / "later.csv").write_text(table(header, make_rows(_house, 100, seed=1)))
    assert served.quality("r2", tmp_path / "later.csv") > 0.75
    house = {"rooms": 4, "age": None, "income": 5.0, "place": "coast"}
    assert served.ask(house).value == pytest.approx(236_000, rel=0.2)
    assert served.ask(house | {"age": ""}) == served.ask(house)


def _laptop(random: Random, number: int) -> list[Any]:
    memory, weight = random.choice([4, 8, 16, 32]), round(random.uniform(1, 3), 2)
    price = 300 + 40 * memory - 60 * weight + random.gauss(0, 10)
    return [number, random.choice(["Acer", "Dell", "HP"]), f"{memory}GB", f"{weight}kg", round(price, 2)]


def test_a_price_list_with_units_trains_and_predicts(drop: Drop, learn: Learn, tmp_path: Path) -> None:
    header = ("", "Company", "Ram", "Weight", "Price")
    file = drop("laptops.csv", table(header, make_rows(_laptop, ROWS)))
    assert file.kinds == {"Company": "categorical", "Ram": "numeric", "Weight": "numeric"}
    assert len(file.dropped) == 1
    served = learn(file)
    (tmp_path / "later.csv").write_text(table(header, make_rows(_laptop, 100, seed=1)))
    assert served.quality("r2", tmp_path / "later.csv") > 0.95
    written = served.ask({"Company": "Dell", "Ram": "16GB", "Weight": "1.37kg"})
    assert written.value == pytest.approx(858, abs=100)  # a forest of few rows; prices spread by 430
    assert served.ask({"Company": "Dell", "Ram": 16, "Weight": 1.37}) == written


def _app(random: Random, number: int) -> list[Any]:
    installs = random.choice([100, 1_000, 10_000, 100_000, 1_000_000])
    price = random.choice([0, 0.99, 1.99, 4.99])
    rating = "NaN" if random.random() < 0.1 else round(random.uniform(3, 5), 1)
    popular = installs >= 10_000 and price < 4
    return [f"app {number}", random.choice(["GAME", "TOOLS"]), rating, f"{installs:,}+", f"${price}" if price else "0",
            "yes" if popular else "no"]  # fmt: skip


def test_an_app_list_with_installs_and_prices_trains_and_predicts(drop: Drop, learn: Learn, tmp_path: Path) -> None:
    header = ("App", "Category", "Rating", "Installs", "Price", "Popular")
    file = drop("apps.csv", table(header, make_rows(_app, ROWS)))
    kinds = {"Category": "categorical", "Rating": "numeric", "Installs": "numeric", "Price": "numeric"}
    assert kinds.items() <= file.kinds.items()
    assert file.values("Installs")[-1] == 1_000_000
    assert file.values("Price")[-1] == pytest.approx(4.99)
    served = learn(file, "gradient_boosting")
    (tmp_path / "later.csv").write_text(table(header, make_rows(_app, 100, seed=1)))
    assert served.quality("accuracy", tmp_path / "later.csv") > 0.95
    row = {"App": "mine", "Category": "GAME", "Rating": 4.1}
    row = {name: cell for name, cell in row.items() if name in file.kinds}
    assert served.ask({**row, "Installs": "100,000+", "Price": "$0.99"}).label == "yes"
    assert served.ask({**row, "Installs": 100_000, "Price": 4.99}).label == "no"


def _air(random: Random, number: int) -> list[Any]:
    hour, sensor = number % 24, round(random.uniform(700, 1_700), 1)
    warmth = round(random.uniform(-5, 40), 1)
    benzene = round(0.02 * sensor + (6 if 7 <= hour < 20 else 0) + random.gauss(0, 0.3), 1)
    cells = [f"{value}".replace(".", ",") for value in (sensor, warmth, benzene)]
    return [f"{number // 24 % 28 + 1:02}/03/2004", f"{hour:02}.00.00", *cells, "", ""]


def test_sensor_data_with_decimal_commas_and_times_with_points_trains_and_predicts(
    drop: Drop, learn: Learn, tmp_path: Path
) -> None:
    header = ("Date", "Time", "PT08,S1(CO)", "T", "C6H6(GT)", "", "")
    body, later = (table(header, make_rows(_air, count, seed), ";") for count, seed in ((600, 0), (100, 1)))
    file = drop("air.csv", body, target="C6H6(GT)")
    assert file.kinds == {"Date": "datetime", "Time": "datetime", "PT08,S1(CO)": "numeric", "T": "numeric"}
    assert (file.dataset.task, file.rows.height) == ("regression", 600)
    served = learn(file, "gradient_boosting")
    (tmp_path / "later.csv").write_text(later)
    assert served.quality("r2", tmp_path / "later.csv") > 0.95
    tested = drop("air.csv", body, {"test.csv": later}, target="C6H6(GT)")
    assert tested.split("test").height == 100
    row = {"Date": "15/03/2004", "Time": "18.00.00", "PT08,S1(CO)": "1200,5", "T": "13,6"}
    assert served.ask(row).value == pytest.approx(30, abs=3)
    assert served.ask({**row, "Time": "18:00:00", "PT08,S1(CO)": 1_200.5, "T": 13.6}) == served.ask(row)
    assert served.ask({**row, "Time": "03.00.00"}).value == pytest.approx(24, abs=3)


def _flower(random: Random, number: int) -> list[Any]:
    kind = number * 3 // ROWS
    return [number, *(round(random.gauss(kind * scale, 0.4), 1) for scale in (1, 0.5, 2)), ("a", "b", "c")[kind]]


@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_an_export_of_pandas_with_an_index_trains_and_predicts(
    drop: Drop, learn: Learn, tmp_path: Path, index: str
) -> None:
    header = (index, "length", "width", "depth", "species")
    file = drop("flowers.csv", table(header, make_rows(_flower, ROWS)))
    assert list(file.kinds) == ["length", "width", "depth"]
    assert file.reports("row number")
    served = learn(file)
    (tmp_path / "later.csv").write_text(table(header, make_rows(_flower, ROWS, seed=1)))
    assert served.quality("accuracy", tmp_path / "later.csv") > 0.9
    assert served.ask({"length": 2.1, "width": 1.0, "depth": 4.2}).label == "c"
