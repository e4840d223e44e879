"""The leaderboard of a selection on a terminal."""

from __future__ import annotations

from rich.console import Console

from pipeline.cli.views.candidates import reason_lines
from pipeline.cli.views.leaderboard import leaderboard
from pipeline.cli.views.tables import interval
from pipeline.contracts.records.plan import BROUGHT
from pipeline.contracts.records.variant import CandidateReport, Selection
from tests.unit.cli.conftest import selection


def _shown(width: int, chosen: Selection | None = None, details: str | None = None) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(leaderboard(chosen or selection(), details=details))
    return captured.get()


def _lines_below(text: str) -> list[str]:
    """Lines after the table, whose rows start with a blank."""
    lines = [line.rstrip() for line in text.splitlines()]
    last = max(number for number, line in enumerate(lines) if line.startswith(" ") and line.strip())
    return [line for line in lines[last + 1 :] if line]


def test_a_leaderboard_ends_with_the_legend_the_winner_and_a_summary() -> None:
    legend, winner, *others = _lines_below(_shown(100, details="modeldrop runs demo_houses_1"))
    assert legend == "accuracy on the validation rows; ● on the Pareto front"
    assert winner.startswith("★ ")
    assert others[-2:] == [
        "! a job has 12 minutes",
        "1 candidate trained, 1 dropped, 2 not tried: 'modeldrop runs demo_houses_1' shows why",
    ]


def test_a_failed_candidate_is_reported_when_details_are_omitted() -> None:
    chosen = selection()
    failed = chosen.tried[0].model_copy(update={"status": "failed", "reason": "the loss became non-finite"})
    chosen = chosen.model_copy(update={"tried": (failed, *chosen.tried[1:])})
    lines = _lines_below(_shown(100, chosen, "modeldrop runs RUN"))
    assert f"{failed.candidate}: failed: the loss became non-finite" in lines
    assert lines[-1].startswith("1 candidate dropped, 1 failed, 2 not tried")


def test_the_leaderboard_of_a_brought_model_ends_with_the_card_command() -> None:
    report = CandidateReport(candidate=BROUGHT, algorithm=BROUGHT, status="trained", reason="net.onnx")
    chosen = selection().model_copy(update={"tried": (report,)})
    console = Console(width=140, no_color=True)
    with console.capture() as captured:
        console.print(leaderboard(chosen, details="modeldrop runs RUN", card="modeldrop card net 2"))
    sentence = "Nothing was trained: the model was uploaded; 'modeldrop card net 2' shows how it was measured"
    assert _lines_below(captured.get())[-1] == sentence
    assert _lines_below(_shown(140, chosen, "modeldrop runs RUN"))[-1] == "Nothing was trained: the model was uploaded"


def test_a_variant_that_was_not_tried_is_not_called_inapplicable() -> None:
    (line,) = reason_lines([("mlp int8", "not_applicable", "not tried: its time was over")])
    assert line.plain == "mlp int8: not tried: its time was over"


def test_variants_that_do_not_apply_are_shown_only_with_details() -> None:
    assert "n/a" in _shown(100)
    assert "n/a" not in _shown(100, details="modeldrop runs RUN")
    assert "not applicable" not in _shown(100, details="modeldrop runs RUN")


def test_the_leaderboard_shows_metric_interval_seconds_latency_and_size() -> None:
    (row,) = (line for line in _shown(140).splitlines() if "★ winner" in line)
    assert row.split() == [
        "mlp", "int8", "0.9750", "0.961–0.984", "12.3", "s", "41", "µs", "12.3", "kB", "99.8%", "★", "winner",
    ]  # fmt: skip


def test_candidates_are_listed_with_reasons_and_the_result_of_their_search() -> None:
    lines = [line.rstrip() for line in _shown(140).splitlines()]
    sentence = lines[lines.index("mlp: trained: a network") :]
    assert sentence == [
        "mlp: trained: a network",
        "  2 trials, 1 dropped; best accuracy 0.9751 with hidden=(64,), dropout=0.25",
        "  short",
        "linear: dropped: far behind on 4,000 rows",
        "one, two: not tried: too few rows",
        "! a job has 12 minutes",
    ]


def test_a_refit_winner_is_reported_in_one_line() -> None:
    chosen, again = selection(), "retrained with the validation rows added; the scores above are from before that"
    served = chosen.winner.model_copy(update={"reason": again})
    lines = [line.rstrip() for line in _shown(140, chosen.model_copy(update={"winner": served})).splitlines()]
    assert lines.count(f"★ The served model was {again}.") == 1
    assert "The served model" not in _shown(140, chosen)


def test_the_legend_says_whether_metrics_are_cross_validated() -> None:
    assert "accuracy on the validation rows; ● on the Pareto front" in _shown(140)
    auc = selection().model_copy(update={"metric": "auc", "by_folds": True})
    assert "auc by cross-validation; ● on the Pareto front" in _shown(140, auc)


def test_the_legend_names_accuracy_by_cross_validation() -> None:
    sentence = "accuracy by cross-validation; ● on the Pareto front"
    assert sentence in _shown(160, selection().model_copy(update={"by_folds": True}))


def test_an_interval_of_large_numbers_has_no_exponents() -> None:
    assert interval((44111.16, 46222.2)) == "44111–46222"
    assert interval((0.86123, 0.9)) == "0.8612–0.9"
    assert interval(None) == ""
