"""The training curves that are shown while a run trains."""

from __future__ import annotations

from rich.console import Console

from pipeline.cli.views.curves import curves_of, curves_table, sparkline
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.training_curves import CURVES, TrainingCurves
from tests.fakes.objects import FakeObjectStore

RUN = "demo_adult_0123456789ab"


def test_a_sparkline_goes_from_the_lowest_to_the_highest_bar() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline([]) == ""
    assert len(sparkline([float(n) for n in range(1000)])) == 24


def test_each_candidate_has_a_line_with_its_last_point() -> None:
    store = FakeObjectStore()
    points = tuple(
        {"epoch": n, "validation_loss": 1 / n, "accuracy": 1 - 0.5 / n, "learning_rate": 0.001,
         "rows_per_second": 12345.6, "memory_mb": 321.0, "loss": 1.0, "seconds": 0.1}
        for n in (1, 2, 4)
    )  # fmt: skip
    for name, shown in (("mlp", points), ("trees", ({"tree": 50, "loss": 0.4, "validation_loss": 0.5},))):
        key = RunKeys(RUN).candidate(name, CURVES)
        store.put(key, TrainingCurves(candidate=name, points=shown).to_bytes())
        store.put(RunKeys(RUN).candidate(name, "model.onnx"), b"")
    console = Console(width=140, no_color=True)
    with console.capture() as captured:
        console.print(curves_table(curves_of(RUN, store)()))
    mlp, trees = (line.split() for line in captured.get().splitlines())
    assert mlp == [
        "mlp", "█▃▁", "epoch", "4", "loss", "0.2500", "accuracy", "0.8750", "rate", "0.001", "12,346", "rows/s", "321",
        "MB",
    ]  # fmt: skip
    assert trees == ["trees", "▁", "tree", "50", "loss", "0.5000"]


def test_curves_show_the_auc_of_boosting_and_the_number_of_the_fold() -> None:
    points = tuple({"fold": 2.0, "tree": 50.0 * n, "auc": auc} for n, auc in enumerate((0.7, 0.8, 0.9), start=1))
    console = Console(width=140, no_color=True)
    with console.capture() as captured:
        console.print(curves_table([TrainingCurves(candidate="trees", points=points)]))
    assert captured.get().split() == ["trees", "▁▅█", "fold", "2,", "tree", "150", "auc", "0.9000"]


def test_a_narrow_terminal_shows_whole_numbers_and_cuts_the_end_of_the_line() -> None:
    numbers = {"learning_rate": 0.001, "rows_per_second": 12345.6, "memory_mb": 321.0}
    mlp = tuple({"fold": 5.0, "epoch": n, "validation_loss": 1 / n, "log_loss": 1 / n, **numbers} for n in range(1, 60))
    trees = tuple({"fold": 5.0, "tree": 50 * n, "validation_loss": 1 / n} for n in range(1, 60))
    curves = [TrainingCurves(candidate="gradient_boosting", points=trees), TrainingCurves(candidate="mlp", points=mlp)]
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(curves_table(curves))
    first, second = (line.rstrip() for line in captured.get().splitlines())
    assert first.endswith("fold 5, tree 2950  loss 0.0169")
    assert second.endswith("fold 5, epoch 59   loss 0.0169  …")
