"""Sampling of training rows that exceed the memory of the machine."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipeline.jobs.runtime.splits import memory_bytes, read_sample

ROWS = 20_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.parquet"
    pl.DataFrame({"x": range(ROWS), "y": ["a", "b"] * (ROWS // 2)}).write_parquet(path)
    return path


def test_all_rows_are_read_when_they_fit(file: Path) -> None:
    frame, notes = read_sample(file, 1 << 30, 0)
    assert (frame.height, notes) == (ROWS, ())


def test_a_seeded_sample_is_read_and_reported_when_rows_do_not_fit(file: Path) -> None:
    frame, notes = read_sample(file, 1 << 18, 0)
    assert 0 < frame.height < ROWS / 2
    assert notes[0].startswith(f"trained on a random sample of {frame.height:,} of 20,000 rows")
    assert frame.equals(read_sample(file, 1 << 18, 0)[0])
    assert not frame.equals(read_sample(file, 1 << 18, 1)[0])
    assert frame["x"].is_sorted()
    assert frame["x"].mean() == pytest.approx(ROWS / 2, rel=0.1)


def test_memory_bytes_returns_the_memory_of_the_machine() -> None:
    assert memory_bytes() > 1 << 28


@pytest.mark.parametrize("memory_bits", [14, 18])
def test_a_sample_is_stratified_and_keeps_a_row_of_each_class(tmp_path: Path, memory_bits: int) -> None:
    path = tmp_path / "train.parquet"
    labels = ["common"] * 15_000 + ["frequent"] * 4_990 + ["rare"] * 9 + ["single"]
    pl.DataFrame({"x": range(ROWS), "y": labels}).write_parquet(path)
    for seed in range(5):
        frame, notes = read_sample(path, 1 << memory_bits, seed, class_column="y")
        counts = dict(frame["y"].value_counts().iter_rows())
        assert notes
        assert set(counts) == {"common", "frequent", "rare", "single"}
        assert counts["common"] / frame.height == pytest.approx(0.75, abs=0.02)
        assert frame["x"].is_sorted()
        assert frame.columns == ["x", "y"]
        assert frame.equals(read_sample(path, 1 << memory_bits, seed, class_column="y")[0])
    assert not frame.equals(read_sample(path, 1 << memory_bits, 0, class_column="y")[0])
