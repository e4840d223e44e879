from __future__ import annotations

import pytest

from pipeline.parsing.scripts import find_script, has_several_scripts


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("where is my order", "LATIN"),
        ("Größe in µm", "LATIN"),
        ("где мой заказ", "CYRILLIC"),
        ("荷物が遅れました", "CJK"),
        ("サーバー", "CJK"),
        ("iPhone 修理をお願いします", "CJK"),
        ("ｶﾀｶﾅ", "CJK"),
        ("ที่นี่มีรถ", "THAI"),
        ("أين طلبي", "ARABIC"),
        ("12 + 3 😀!", ""),
        ("", ""),
    ],
)
def test_a_text_is_in_the_script_of_most_of_its_letters(text: str, script: str) -> None:
    assert find_script(text) == script


def test_a_column_has_several_scripts_if_a_tenth_is_in_another_script() -> None:
    assert has_several_scripts(["one", "two", "три"])
    assert has_several_scripts(["one"] * 9 + ["один"])
    assert not has_several_scripts(["one"] * 99 + ["один"])


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["", "12", "😀"],
        ["one", "two", "αβγ one two three"],
        ["荷物", "サーバー", "ください", "注文番号 no 7"],
        ["A-17", "B-9", ""],
    ],
)
def test_columns_of_mostly_one_script_do_not_have_several(texts: list[str]) -> None:
    assert not has_several_scripts(texts)
