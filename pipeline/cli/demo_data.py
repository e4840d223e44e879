"""The demo's data: real sets that scikit-learn ships, some rows of each kept back."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Part", "picture", "prepare", "write_csv"]

_HELD_OUT = 0.1
_SHADES = " ░▒▓█"
_MLP_ONLY = """# Only the network, so that its int8 file goes live. Everything else as it is by default.
algorithms: [mlp]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One file to drop, and the rows that its model never sees."""

    model: str
    target: str
    story: str
    file: Path
    spec: Path | None
    held_out_file: Path
    held_out: Sequence[dict[str, Any]]
    pictures: bool = False


def prepare(folder: Path) -> list[Part]:
    """Write both parts' files into ``folder``."""
    from sklearn.datasets import load_breast_cancer, load_digits

    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "train.yaml"
    spec.write_text(_MLP_ONLY)
    tumours, digits = load_breast_cancer(), load_digits()
    return [
        _part(
            folder,
            "tumours",
            "diagnosis",
            tumours,
            labels=[str(tumours.target_names[y]) for y in tumours.target],
            story="569 biopsies, 30 measurements each: is the tumour benign? Every algorithm that fits is tried.",
        ),
        _part(
            folder,
            "digits",
            "digit",
            digits,
            labels=[str(y) for y in digits.target],
            story="1,797 handwritten digits of 8 x 8 pixels, and a train.yaml that asks for the network alone.",
            spec=spec,
        ),
    ]


def _part(
    folder: Path, model: str, target: str, bunch: Any, *, labels: list[str], story: str, spec: Path | None = None
) -> Part:
    from sklearn.model_selection import train_test_split

    names = [str(name).replace(" ", "_") for name in bunch.feature_names]
    rows = [
        {**dict(zip(names, map(float, values), strict=True)), target: label}
        for values, label in zip(bunch.data, labels, strict=True)
    ]
    kept, held_out = train_test_split(rows, test_size=_HELD_OUT, random_state=0, stratify=labels)
    part = Part(
        model=model,
        target=target,
        story=story,
        file=folder / f"{model}.csv",
        spec=spec,
        held_out_file=folder / f"{model}_held_out.csv",
        held_out=held_out,
        pictures=model == "digits",
    )
    write_csv(part.file, kept)
    write_csv(part.held_out_file, held_out)
    return part


def write_csv(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def picture(row: dict[str, Any]) -> str:
    """The 8 x 8 pixels (0 to 16) of a digit, as text."""
    pixels = [float(value) for name, value in row.items() if name.startswith("pixel_")]
    shades = [_SHADES[min(int(p / 17 * len(_SHADES)), len(_SHADES) - 1)] * 2 for p in pixels]
    return "\n".join("".join(shades[start : start + 8]) for start in range(0, len(shades), 8))
