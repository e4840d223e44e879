"""Line numbers of the blocks of a text file."""

from __future__ import annotations

from pipeline.validation.readers.text.chunks import Lines


def test_line_numbers_are_right_for_offsets_in_any_order(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{number}," + "x" * (number % 900) + "\n" for number in range(2000)]
    path.write_text("".join(rows))
    offsets = [sum(map(len, rows[:count])) for count in range(0, 2000, 111)]
    lines = Lines(path, offsets[3], 3 * 111 + 1)
    for count in (7, 2, 15, 0, 3, 17):
        assert lines.at(offsets[count]) == count * 111 + 1
