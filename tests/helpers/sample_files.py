"""The files of ``samples/``: the target of each, the algorithm to train, and the quality that it must reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["MEASURED", "SAMPLES", "Sample"]

FOLDER = Path(__file__).parents[1] / "files" / "samples"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample folder.

    Attributes:
        name: Name of the folder.
        target: Name of the target column; None if validation must find it.
        algorithm: Algorithm to train.
        metric: Metric on the test file; empty: quality is not measured.
        bound: Smallest value of ``metric``, or largest for rmse.
        suffix: Suffix of the files.
        companions: Names of companion files.
    """

    name: str
    target: str | None
    algorithm: str = "random_forest"
    metric: str = ""
    bound: float = 0.0
    suffix: str = "csv"
    companions: tuple[str, ...] = ()

    @property
    def train(self) -> str:
        return f"train.{self.suffix}"

    @property
    def test(self) -> str:
        return f"test.{self.suffix}"

    @property
    def test_path(self) -> Path:
        return FOLDER / self.name / self.test

    def read(self, file: str) -> bytes:
        return (FOLDER / self.name / file).read_bytes()

    def meets_bound(self, quality: float) -> bool:
        return quality <= self.bound if self.metric == "rmse" else quality >= self.bound


_ALL = (
    Sample(name="big_ints", target="cost", metric="r2", bound=0.95, algorithm="linear"),
    Sample(name="bom_and_spaces", target="decision", metric="accuracy", bound=0.95, algorithm="gradient_boosting"),
    Sample(name="duplicate_columns", target="trend", metric="accuracy", bound=0.97),
    Sample(name="excel_sep_line", target="ok", metric="accuracy", bound=0.94),
    Sample(name="float32_offset", target="state", metric="accuracy", bound=0.95),
    Sample(name="german_export", target="Preis (€)", metric="r2", bound=0.95, algorithm="linear"),
    Sample(name="huge_target", target="luminosity_erg_s"),
    Sample(name="jsonl_late_keys", target="y", metric="accuracy", bound=0.85, suffix="jsonl"),
    Sample(name="money_percent", target="profit_next_year", metric="r2", bound=0.9, algorithm="linear"),
    Sample(name="namibia", target="customs", metric="accuracy", bound=0.97),
    Sample(name="no_header", target=None, metric="accuracy", bound=0.95),
    Sample(name="none_class", target="injury", metric="accuracy", bound=0.95),
    Sample(name="nul_bytes", target="hit", metric="accuracy", bound=0.97),
    Sample(name="parquet_nullable", target="load", metric="accuracy", bound=0.95, suffix="parquet"),
    Sample(name="preamble", target="condition", metric="accuracy", bound=0.95),
    Sample(name="row_numbers_sorted", target="level", metric="accuracy", bound=0.84),
    Sample(
        name="stars_as_numbers",
        target="stars",
        metric="rmse",
        bound=0.5,
        companions=("train.yaml",),
        algorithm="linear",
    ),
    Sample(name="test_labels_differ", target="income", companions=("test.csv",)),
    Sample(name="text_i18n", target="lang", metric="accuracy", bound=0.95, algorithm="text_linear"),
    Sample(name="trailing_delimiter", target="action", metric="accuracy", bound=0.97),
    Sample(name="utf16_tab", target="loyer", metric="r2", bound=0.95, algorithm="linear"),
    Sample(name="weird_names", target="class", metric="accuracy", bound=0.95),
)
SAMPLES = {sample.name: sample for sample in _ALL}
MEASURED = tuple(sample for sample in _ALL if sample.metric)
