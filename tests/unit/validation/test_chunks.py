"""Blocks of a text file, and the numbers of their lines."""

from __future__ import annotations

from pipeline.validation.readers.text.chunks import Lines


def test_lines_are_counted_from_any_byte_and_in_any_order(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{number}," + "x" * (number % 900) + "\n" for number in range(2000)]
    path.write_text("".join(rows))
    begins = [sum(map(len, rows[:count])) for count in range(0, 2000, 111)]
    lines = Lines(path, begins[3], 3 * 111 + 1)
    for count in (7, 2, 15, 0, 3, 17):
        assert lines.at(begins[count]) == count * 111 + 1
