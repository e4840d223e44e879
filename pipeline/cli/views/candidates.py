"""The notes below a leaderboard: what is served, what was tried and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.records.plan import BROUGHT
from pipeline.contracts.records.variant import CandidateReport

__all__ = ["candidate_lines", "reason_lines", "served_lines", "short_lines"]

_STYLES = {"trained": "dim", "dropped": "yellow", "failed": "red", "skipped": "dim"}


def reason_lines(variants: Iterable[tuple[str, str, str]]) -> Iterator[Text]:
    """Yield a line per reason with the names of its variants; ``variants`` are (name, status, reason)."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, status, reason in variants:
        reasons.setdefault((status, reason), []).append(name)
    for (status, reason), names in reasons.items():
        label = "" if status == "ok" or reason.startswith("not tried: ") else f"{status.replace('_', ' ')}: "
        yield Text(f"{', '.join(names)}: {label}{reason}", style="yellow" if status == "rejected" else "dim")


def served_lines(reason: str) -> Iterator[Text]:
    """Say how the winner was refit; ``reason`` is the reason of its variant."""
    if reason:
        yield Text(f"★ The served model was {reason}.", style="green")


def candidate_lines(candidates: Sequence[CandidateReport], metric: str, notes: Sequence[str]) -> Iterator[Text]:
    """Yield a line per candidate: why it was tried and what its search found, or why it is missing.

    Skipped candidates with the same reason share a line.
    """
    for report in candidates:
        if report.status != "skipped":
            status = "not trained" if report.candidate == BROUGHT and report.status == "trained" else report.status
            joint = " " if report.reason.startswith("as ") else ": "  # such as: trained as the baseline
            yield Text(f"{report.candidate}: {status}{joint}{report.reason}", style=_STYLES[report.status])
            yield from (Text(f"  {line}", style="dim") for line in (*_search(report, metric), *report.notes))
    yield from _skipped(candidates)
    yield from (Text(f"! {note}", style="yellow") for note in notes)


def short_lines(candidates: Sequence[CandidateReport], notes: Sequence[str], details: str, card: str) -> Iterator[Text]:
    """Yield failed candidates, notes, and counts; ``details`` and ``card`` are the commands that show the rest."""
    for report in candidates:
        if report.status == "failed":
            yield Text(f"{report.candidate}: failed: {report.reason}", style=_STYLES["failed"])
    yield from (Text(f"! {note}", style="yellow") for note in notes)
    if any(report.candidate == BROUGHT for report in candidates):
        hint = f"; '{card}' shows how it was measured" if card else ""
        yield Text(f"Nothing was trained: the model was uploaded{hint}", style="dim")
    elif counts := _counts(candidates):
        yield Text(f"{counts}: '{details}' shows why", style="dim")


def _counts(candidates: Sequence[CandidateReport]) -> str:
    """Count the candidates, ``7 candidates trained, 1 dropped``."""
    words = {"trained": "trained", "dropped": "dropped", "failed": "failed", "skipped": "not tried"}
    counts = {word: sum(report.status == status for report in candidates) for status, word in words.items()}
    phrases = [f"{count} {word}" for word, count in counts.items() if count]
    if phrases:
        number, _, word = phrases[0].partition(" ")
        phrases[0] = f"{number} candidate{'s' if number != '1' else ''} {word}"
    return ", ".join(phrases)


def _search(report: CandidateReport, metric: str) -> Iterator[str]:
    best = next((trial for trial in report.trials if trial.status == "best"), None)
    if best is None:
        return
    counts = {status: sum(trial.status == status for trial in report.trials) for status in ("dropped", "failed")}
    other_counts = "".join(f", {count} {status}" for status, count in counts.items() if count)
    yield f"{len(report.trials)} trials{other_counts}; best {metric} {best.quality:.4g} with {_settings(best.settings)}"


def _settings(settings: Settings) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()
    )


def _skipped(candidates: Sequence[CandidateReport]) -> Iterator[Text]:
    reasons: dict[str, list[str]] = {}
    for report in candidates:
        if report.status == "skipped":
            reasons.setdefault(report.reason, []).append(report.candidate)
    for reason, names in reasons.items():
        yield Text(f"{', '.join(names)}: not tried: {reason}", style=_STYLES["skipped"])
