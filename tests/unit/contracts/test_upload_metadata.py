"""A target of any script survives an object's metadata."""

from __future__ import annotations

import pytest

from pipeline.contracts.upload_metadata import make_metadata, read_target


@pytest.mark.parametrize(
    "target", ["price", "Preis (€)", "сколько это стоит " * 9, "価格", "two\nlines", "=?x?=", " a "]
)
def test_a_target_is_read_back_unchanged(target: str) -> None:
    metadata = make_metadata(target)
    assert metadata["target"].isascii()
    assert "\n" not in metadata["target"]
    assert read_target(metadata) == target.strip()


def test_a_target_without_encoding_is_read_as_plain_text() -> None:
    assert read_target({"target": " Preis "}) == "Preis"
    assert read_target({}) == ""
