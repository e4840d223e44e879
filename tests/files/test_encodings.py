"""Encodings: files in other encodings than UTF-8 are read correctly, and the encoding is reported."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.contracts.errors import DatasetError
from tests.helpers.file_harness import Served, ValidatedFile
from tests.helpers.made_files import WAREHOUSE, json_lines, table, warehouse

Drop = Callable[..., ValidatedFile]
Learn = Callable[..., Served]

FRENCH = ("Nîmes", "Évreux", "Besançon", "Orléans")
SPANISH = ("Málaga", "Córdoba", "Logroño", "Alcañiz")
RUSSIAN = ("Москва", "Новосибирск", "Екатеринбург", "Владивосток")
JAPANESE = ("東京都千代田区", "大阪市北区", "札幌市中央区", "名古屋市")
CHINESE = ("北京市朝阳区", "上海市浦东新区", "广州市天河区", "深圳市")
POLISH = ("Łódź", "Gdańsk", "Kraków", "Świnoujście")


@pytest.mark.parametrize(
    ("encoding", "cities", "names"),
    [
        ("utf-16", FRENCH, ["utf-16"]),
        ("utf-16-le", RUSSIAN, ["utf-16"]),
        ("utf-16-be", SPANISH, ["utf-16"]),
        ("cp1252", FRENCH, ["1252", "8859", "latin"]),
        ("latin-1", SPANISH, ["1252", "8859", "latin"]),
        ("iso-8859-15", FRENCH, ["1252", "8859", "latin"]),
        ("cp1251", RUSSIAN, ["1251", "cyrillic"]),
        ("shift_jis", JAPANESE, ["shift", "cp932", "sjis"]),
        ("gb18030", CHINESE, ["gb"]),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_letters_are_read_correctly_and_the_encoding_is_reported(
    drop: Drop, encoding: str, cities: Sequence[str], names: Sequence[str], delimiter: str
) -> None:
    file = drop("a.csv", table(WAREHOUSE, warehouse(cities), delimiter, "\r\n").encode(encoding))
    assert (set(file.values("city")), file.rows.height) == (set(cities), 320)
    assert file.names_encoding(*names)


def test_utf_16_with_a_big_endian_byte_order_mark_is_read(drop: Drop) -> None:
    body = b"\xfe\xff" + table(WAREHOUSE, warehouse(FRENCH)).encode("utf-16-be")
    assert set(drop("a.txt", body).values("city")) == set(FRENCH)


def test_json_lines_in_another_encoding_are_read(drop: Drop) -> None:
    text = json_lines(WAREHOUSE, warehouse(SPANISH))
    for body in (text.encode("utf-16"), text.encode("latin-1"), text.encode("utf-8-sig")):
        assert set(drop("a.jsonl", body).values("city")) == set(SPANISH)


def test_a_compressed_file_in_another_encoding_is_read(drop: Drop) -> None:
    file = drop("a.csv.gz", gzip.compress(table(WAREHOUSE, warehouse(FRENCH)).encode("cp1252")))
    assert set(file.values("city")) == set(FRENCH)
    assert file.names_encoding("1252", "8859", "latin")


def test_typographic_characters_of_windows_are_read_correctly(drop: Drop) -> None:
    cities = ("„Berlin“", "Saint‑Denis".replace("‑", "–"), "L’Aquila", "10 €")
    assert set(drop("a.csv", table(WAREHOUSE, warehouse(cities)).encode("cp1252")).values("city")) == set(cities)


def test_column_names_and_target_in_another_encoding_are_read(drop: Drop) -> None:
    header = ("größe", "straße", "verspätet")
    file = drop("a.csv", table(header, warehouse(), ";").encode("cp1252"), target="verspätet")
    assert (file.dataset.target, list(file.kinds)) == ("verspätet", ["größe", "straße"])


def test_train_yaml_can_set_the_encoding(drop: Drop) -> None:
    file = drop("a.csv", table(WAREHOUSE, warehouse(POLISH)).encode("cp1250"), {"train.yaml": "encoding: cp1250\n"})
    assert set(file.values("city")) == set(POLISH)


def test_a_file_of_uncertain_encoding_is_read_correctly_or_reported(drop: Drop) -> None:
    try:
        file = drop("a.csv", table(WAREHOUSE, warehouse(POLISH)).encode("cp1250"))
    except DatasetError as error:
        sentences = [error.message]
    else:
        sentences = list(file.dataset.warnings) if set(file.values("city")) != set(POLISH) else ["encoding"]
    assert any("encoding" in sentence for sentence in sentences)


def test_a_few_lines_in_another_encoding_are_repaired_or_rejected_with_their_lines(drop: Drop) -> None:
    lines = [line.encode() for line in table(WAREHOUSE, warehouse(FRENCH)).splitlines(keepends=True)]
    for number in (12, 97, 180):
        lines[number - 1] = "50.0,Besançon,no\n".encode("cp1252")
    file = drop("a.csv", b"".join(lines))
    assert set(file.values("city")) == set(FRENCH)
    assert file.rows.height in (317, 320)
    assert file.reports("12", "97", "180")


def test_a_few_nul_bytes_in_a_tab_file_lose_at_most_their_rows(drop: Drop) -> None:
    lines = table(WAREHOUSE, warehouse(), "\t").splitlines(keepends=True)
    for number in (5, 66):
        lines[number - 1] = "50.0\tOs\0lo\tno\n"
    file = drop("a.tsv", "".join(lines))
    assert set(file.values("city")) == {"Oslo", "Rome", "Lima"}
    assert file.rows.height in (318, 320)
    assert file.reports("NUL", "5", "66")


def test_a_later_file_in_another_encoding_is_predicted_equally_well(drop: Drop, learn: Learn, tmp_path: Path) -> None:
    served = learn(drop("a.csv", table(WAREHOUSE, warehouse(FRENCH)).encode("cp1252")))
    later = warehouse(FRENCH, count=100, seed=1)
    for encoding in ("cp1252", "utf-8", "utf-16"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(table(WAREHOUSE, later).encode(encoding))
        assert served.quality("accuracy", path) > 0.95


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("cities", [FRENCH, RUSSIAN, JAPANESE, ("Oslo", "Rome", "😀", "10 €"), ("Ã©", "Â", "Ä")])
def test_a_utf_8_file_is_read_without_a_warning(drop: Drop, encoding: str, cities: Sequence[str]) -> None:
    file = drop("a.csv", table(WAREHOUSE, warehouse(cities)).encode(encoding))
    assert set(file.values("city")) == set(cities)
    assert not file.dataset.warnings
    assert list(file.kinds) == ["weight", "city"]
