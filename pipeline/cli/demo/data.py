"""The demo's data: scikit-learn's handwritten digits, with held-out rows."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["TARGET", "Data", "image", "prepare"]

TARGET = "digit"
_HELD_OUT = 0.1
_SHADES = " ░▒▓█"
_SIDE = 8  # pixels
_QUICK = """# The fast algorithms. Without a train.yaml, all that fit the data are tried.
algorithms: [linear, random_forest, gradient_boosting, mlp]
compression: {passes: [static_int8]}
"""
_SPEC = """# Only the network, with few epochs. Its int8 file is served if it passes the gates.
algorithms: [mlp]
training: {epochs: 30}
"""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Files to drop, and held-out rows."""

    file: Path
    quick_spec: Path
    spec: Path
    held_out_file: Path
    held_out: Sequence[Row]


def prepare(folder: Path) -> Data:
    """Write 1,617 of the 1,797 digits into ``folder`` for training, and 180 held-out ones."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    rows = [
        {**dict(zip(digits.feature_names, map(float, pixels), strict=True)), TARGET: str(label)}
        for pixels, label in zip(digits.data, digits.target, strict=True)
    ]
    dropped, held_out = train_test_split(rows, test_size=_HELD_OUT, random_state=0, stratify=digits.target)
    folder.mkdir(parents=True, exist_ok=True)
    data = Data(
        file=folder / "digits.csv",
        quick_spec=folder / "quick.yaml",
        spec=folder / "train.yaml",
        held_out_file=folder / "held_out.csv",
        held_out=held_out,
    )
    _write_csv(data.file, dropped)
    _write_csv(data.held_out_file, held_out)
    data.spec.write_text(_SPEC)
    data.quick_spec.write_text(_QUICK)
    return data


def image(row: Row) -> str:
    """Return the 8 x 8 pixels (0 to 16) of a digit, as text."""
    pixels = [float(value) for name, value in row.items() if name != TARGET]
    shades = [_SHADES[min(int(pixel / 17 * len(_SHADES)), len(_SHADES) - 1)] * 2 for pixel in pixels]
    return "\n".join("".join(shades[start : start + _SIDE]) for start in range(0, len(shades), _SIDE))


def _write_csv(file: Path, rows: Sequence[Row]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
