"""``modeldrop variants``: the table, the Pareto front, the plot, and the documented JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from pipeline.cli.views.front_chart import FrontChart
from pipeline.cli.views.images.front import draw_front
from pipeline.cli.views.variants import variant_documents
from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.records.variant_report import VariantReport
from tests.fakes.records import card
from tests.helpers.variant_reports import VARIANT_REPORTS, variant_report
from tests.unit.cli.conftest import Stage

FIELDS = {
    "name", "candidate", "passes", "precision", "bytes", "onnx_bytes", "quality", "interval", "agreement", "latency_us",
    "load_ms", "memory_bytes", "pareto", "winner", "status", "reason",
}  # fmt: skip


def keep(stage: Stage, *board: VariantReport) -> None:
    document = card("demo_m_0").model_copy(update={"leaderboard": board})
    stage.artifacts.put(stage.serve().card_key, document.to_bytes())


def test_json_has_every_variant_with_the_documented_fields(stage: Stage) -> None:
    keep(stage, *VARIANT_REPORTS)
    documents = stage.json("variants", "m", "--json")
    assert [set(document) for document in documents] == [FIELDS] * len(VARIANT_REPORTS)
    full, small = documents[:2]
    assert (full["name"], full["agreement"], full["pareto"], full["winner"]) == ("mlp/fp32", 1.0, True, False)
    assert small["latency_us"] == {"1": {"p50": 20, "p99": 31}, "64": {"p50": 140, "p99": 180}}
    assert small["interval"] == [pytest.approx(0.899), pytest.approx(0.919)]
    assert (documents[-1]["status"], documents[-1]["latency_us"], documents[-1]["bytes"]) == (
        "not_applicable",
        {},
        None,
    )


def test_a_card_of_an_earlier_release_has_only_the_median_latency_of_one_row() -> None:
    old = variant_report("mlp/fp32").model_dump(
        exclude={"name", "passes", "onnx_bytes", "latencies", "load_ms", "memory_bytes", "outcome", "misses"}
    )
    document = variant_documents(card("demo_m_0").model_copy(update={"leaderboard": (VariantReport(**old),)}))[0]
    assert (document["name"], document["load_ms"]) == ("mlp/fp32", None)
    assert document["latency_us"] == {"1": {"p50": 20.0, "p99": None}}


def test_variants_shows_the_measures_the_front_and_the_reasons(stage: Stage) -> None:
    keep(stage, *VARIANT_REPORTS)
    shown = stage.run("variants", "m").stdout
    assert "★ winner" in shown
    assert "20 / 31 µs" in shown
    assert "accuracy over stored bytes" in shown
    assert "trees/fp32: mlp/fp32 is better" in shown
    assert "rejected: agreement 0.9" in shown
    assert "not applicable: no matrices" in shown


def test_the_chart_puts_better_variants_above_and_smaller_variants_on_the_left() -> None:
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(FrontChart(variants=VARIANT_REPORTS[:4], metric="accuracy"))
    lines = captured.get().splitlines()
    rows = {mark: next(i for i, line in enumerate(lines) if mark in line) for mark in "★○"}
    assert rows["★"] < rows["○"]
    linear = next(line for line in reversed(lines[:10]) if "●" in line)
    winner = lines[rows["★"]]
    assert linear.index("●") < winner.index("★")
    assert max(map(len, lines)) <= 80


def test_the_chart_puts_the_lowest_error_at_the_top() -> None:
    errors = [variant_report("a/fp32", winner=True), variant_report("b/fp32")]
    board = [
        variant.model_copy(update={"quality": {"rmse": value}})
        for variant, value in zip(errors, (10.0, 20.0), strict=True)
    ]
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(FrontChart(variants=board, metric="rmse"))
    lines = captured.get().splitlines()
    assert "★" in lines[1]
    assert "○" in lines[9]


def test_the_plot_of_the_front_is_written_as_an_image(stage: Stage, tmp_path: Path) -> None:
    keep(stage, *VARIANT_REPORTS)
    result = stage.run("variants", "m", "--plot", str(tmp_path / "front.png"))
    assert result.exit_code == 0, result.stderr
    with Image.open(tmp_path / "front.png") as picture:
        assert picture.size[0] > 1000
        assert len(picture.convert("L").getcolors(256) or []) > 50  # there is something on it


def test_a_plot_file_with_an_unknown_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"\.png"):
        draw_front(VARIANT_REPORTS[:2], "accuracy", tmp_path / "front.txt", title="")


def test_a_variant_without_a_finite_metric_is_dropped_from_both_fronts(tmp_path: Path) -> None:
    board = [*VARIANT_REPORTS[:2], VARIANT_REPORTS[0].model_copy(update={"name": "forest/fp32", "quality": {}})]
    draw_front(board, "accuracy", tmp_path / "front.png", title="a model")
    assert (tmp_path / "front.png").stat().st_size > 1000
    console = Console(width=100, record=True)
    console.print(FrontChart(variants=board, metric="accuracy"))
    assert "accuracy over one row" in console.export_text()
